"""Intervals of shares: how far a measured share may lie from the true one."""

from __future__ import annotations

import math
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """The 95 % interval of a share of independent trials (Wilson 1927); (0, 1) without trials.

    Both counts may be fractions: trials that depend on each other count as fewer independent ones. SciPy's
    ``binomtest`` takes whole counts only; the tests compare with it where it applies.
    """
    if not trials:
        return 0.0, 1.0
    share = successes / trials
    shrink = 1 + _Z * _Z / trials
    middle = (share + _Z * _Z / (2 * trials)) / shrink
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z * _Z / (4 * trials * trials)) / shrink
    return max(0.0, middle - half), min(1.0, middle + half)
