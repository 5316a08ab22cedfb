"""``version="corrected"``: checkers that follow the wording of their constraint.

The public evaluators have errors: they find keywords inside words, count bold text twice, accept a ratio of zero to
zero, and do not know the full stops of other scripts. Published scores contain these errors, so the current version
keeps them. The corrected version has the same ids, kwargs and descriptions, and its verdicts follow what
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
