"""Wilson's interval against SciPy's."""

import pytest
from scipy import stats

from hindsight_rl.intervals import wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 12), (5, 10), (122, 200), (300, 300), (1, 30000)])
def test_whole_counts_give_what_scipy_gives(successes, trials):
    known = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((known.low, known.high), abs=1e-12)


def test_fractions_lie_between_their_neighbours_and_nothing_is_known_without_trials():
    widths = [high - low for low, high in (wilson(0.3 * n, n) for n in (10, 10.5, 11))]
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == 3
    assert wilson(0, 0) == (0.0, 1.0)
