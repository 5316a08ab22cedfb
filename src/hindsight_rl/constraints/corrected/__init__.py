"""``version="corrected"``: checkers that follow the wording of their constraint.

The public evaluators mis-score: keywords are found inside words, bold text counts twice, a ratio of nothing to nothing
holds, a sentence that ends with a full stop of another script has no end. Published scores rest on that, so the
current version keeps it. The corrected version has the same ids, kwargs and descriptions, and its verdicts follow what
the description says. An id that needs no correction has one behaviour in both.

:data:`CORRECTIONS` says for each id which words of the description the corrected checker follows, what it does
differently, and an input on which the two differ. The table in the documentation is made from it.
"""

from hindsight_rl.constraints.corrected import (
    counts,
    keywords,
    language,
    length,
    marks,
    markup,
    order,
    repetition,
    tasks,
)
from hindsight_rl.constraints.corrected.correction import CORRECTIONS, Correction

__all__ = [
    "CORRECTIONS",
    "Correction",
    "counts",
    "keywords",
    "language",
    "length",
    "marks",
    "markup",
    "order",
    "repetition",
    "tasks",
]
