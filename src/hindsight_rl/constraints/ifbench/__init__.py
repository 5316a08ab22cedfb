"""The 58 constraints of IFBench, as released now and, where verdicts differ, as HiR's release bundles them.

``constraint(id, kwargs)`` is the current behaviour, ``constraint(id, kwargs, version="hir")`` the earlier
one, which HiR's reported scores use. Differences: sentences by rules instead of Punkt; names and
keywords inside longer words; fewer pronouns; curly quotes; spans by words.

Where the reference stops with an error on a response, the verdict is false: a line or sentence of punctuation
alone (``format:emoji``, ``words:alphabet`` and, in the earlier version, ``words:last_first``,
``words:paragraph_last_first`` and ``format:quote_unquote``), no words at all (``ratio:stop_words``,
``ratio:overlap``, ``sentence:increment``), CSV that cannot be read.
"""

from hindsight_rl.constraints.core import CURRENT, checker_class
from hindsight_rl.constraints.declare import HIR
from hindsight_rl.constraints.ifbench import count as ifbench_count
from hindsight_rl.constraints.ifbench import custom as ifbench_custom
from hindsight_rl.constraints.ifbench import format as ifbench_format
from hindsight_rl.constraints.ifbench import words as ifbench_words
from hindsight_rl.constraints.ifbench.conflicts import CONFLICTS, IDS

__all__ = ["IDS", "ifbench_count", "ifbench_custom", "ifbench_format", "ifbench_words"]

for _id in IDS:
    for _version in (CURRENT, HIR):
        checker_class(_id, version=_version).conflicts = frozenset(CONFLICTS[_id])
