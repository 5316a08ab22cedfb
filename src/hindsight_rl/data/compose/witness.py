"""A response that satisfies given constraints, as a proof that they can hold together.

:func:`search` writes candidates, each from other random choices (words, lengths, where paragraphs break), until one
passes every checker, and not trivially: one sentence is no evidence for "all sentences". After
:data:`CANDIDATES` candidates it gives up. The text is filler on purpose: it is not meant as training data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from hindsight_rl.constraints.core import Checker
from hindsight_rl.constraints.text.language import evident_language
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.data.compose.draft import Infeasible, Retry
from hindsight_rl.data.compose.readers import gather
from hindsight_rl.data.compose.writer import Writer

CANDIDATES = 200
# These ask for a language. Function words must show it, because the result of langdetect depends on its version.
_OF_A_LANGUAGE = frozenset(
    ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")
)


def search(constraints: Sequence[Checker], rng: Random, candidates: int = CANDIDATES) -> str:
    """A response that meets every constraint; raises :class:`Infeasible` if none was found."""
    writer = Writer(gather(constraints))
    order = list(constraints)
    failed: Counter[str] = Counter()
    for _ in range(candidates):
        try:
            response = writer.write(rng)
        except Retry as reason:
            failed[str(reason)] += 1
            continue
        text = Text(response)
        wrong = next((at for at, each in enumerate(order) if not _holds(each, text)), None)
        if wrong is None:
            return response
        failed[order[wrong].id] += 1
        order.insert(0, order.pop(wrong))  # the constraint that failed is checked first next time
    raise Infeasible(f"no witness among {candidates} candidates ({failed.most_common(1)[0][0]})")


def _holds(constraint: Checker, text: Text) -> bool:
    if text.blank or (constraint.id in _OF_A_LANGUAGE and not evident_language(text.raw)):
        return False
    return constraint.check(text) and not constraint.vacuous(text)
