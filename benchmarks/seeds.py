"""What runs that differ in their seed alone say together."""

import statistics
from collections.abc import Sequence

from scipy.stats import t


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; 0 for a single value."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def half_interval(values: Sequence[float]) -> float:
    """Half the width of the mean's 95 % interval (Student's t over seeds); 0 for a single value."""
    return float(t.ppf(0.975, len(values) - 1)) * standard_error(values) if len(values) > 1 else 0.0


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard error and range."""
    return {
        "mean": round(statistics.mean(values), 4),
        "standard_error": round(standard_error(values), 4),
        "min": min(values),
        "max": max(values),
    }


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean, half the width of its 95 % interval, and range."""
    return {
        "mean": round(statistics.mean(values), 4),
        "half": round(half_interval(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }
