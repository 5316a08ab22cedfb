"""Counts of what was read, written and rejected, by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hindsight_rl.data.stream import BadRows


@dataclass
class Counts:
    """Counts of one output file, over all calls that wrote it.

    units: rows read (dpo: prompts with their responses, and bad rows). prompts: of the file of prompts. judged: by
    what came of a response. written: rows by their source. rejected: responses without a row, by reason. bad: rows
    that cannot be used. resumed: units that an earlier call had finished.
    """

    units: int = 0
    prompts: int | None = None
    responses: int = 0
    successes: int = 0
    rewritten: int = 0
    written: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    bad: BadRows = field(default_factory=BadRows)
    bad_prompts: BadRows = field(default_factory=BadRows)
    reopened: int = 0
    finished: bool = False
    resumed: int = 0

    def to_json(self) -> dict[str, Any]:
        """The content of the counts file."""
        return {
            "finished": self.finished,
            "units": self.units,
            "prompts": self.prompts,
            "responses": self.responses,
            "successes": self.successes,
            "rewritten": self.rewritten,
            "written": dict(self.written),
            "rejected": dict(self.rejected.most_common()),
            "bad rows": {"by reason": dict(self.bad.reasons.most_common()), "first": self.bad.first},
            "bad prompts": {"by reason": dict(self.bad_prompts.reasons.most_common()), "first": self.bad_prompts.first},
            "prompts beyond the window": self.reopened,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Counts:
        """The inverse of :meth:`to_json`, without what each call counts again."""
        return cls(
            units=given["units"],
            responses=given["responses"],
            successes=given["successes"],
            rewritten=given["rewritten"],
            written=Counter(given["written"]),
            rejected=Counter(given["rejected"]),
            bad=BadRows(Counter(given["bad rows"]["by reason"]), list(given["bad rows"]["first"])),
            reopened=given["prompts beyond the window"],
            finished=given["finished"],
            resumed=given["units"],
        )
