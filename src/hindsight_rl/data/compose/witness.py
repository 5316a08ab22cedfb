"""A response that satisfies given constraints, as a proof that they can hold together.

:func:`search` writes candidates, each from other random choices (words, lengths, where paragraphs break), until one
passes every checker, and passes it for what it is about: one sentence is no evidence of "all sentences". After
:data:`CANDIDATES` of them it says that there is none. The text is filler on purpose: it is no example to learn from.
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
# These ask for a language, which function words have to show: what langdetect says depends on what is installed.
_OF_A_LANGUAGE = frozenset(
    ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")
)


def search(constraints: Sequence[Checker], rng: Random, candidates: int = CANDIDATES) -> str:
    """A response on which every constraint holds; raises :class:`Infeasible` where none was found."""
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
        order.insert(0, order.pop(wrong))  # what failed is looked at first the next time
    raise Infeasible(f"no witness among {candidates} candidates ({failed.most_common(1)[0][0]})")


def _holds(constraint: Checker, text: Text) -> bool:
    if text.blank or (constraint.id in _OF_A_LANGUAGE and not evident_language(text.raw)):
        return False
    return constraint.check(text) and not constraint.vacuous(text)
