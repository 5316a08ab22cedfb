"""The settings of :func:`hindsight_rl.data.compose.compose`, one set for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hindsight_rl.constraints.core import checker_class
from hindsight_rl.data.compose.infeasible import LEFT_OUT, ON_REQUEST
from hindsight_rl.data.compose.ranges import FAMILY_IDS, Family, Length, composed
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.layouts import LAYOUTS

Layout = Literal["type1", "type2", "type3", "type4", "type5", "type6", "inline"]
Format = Literal["if-multi", "nemo-gym", "verl"]
BESIDE: tuple[Layout, ...] = ("type1", "type2", "type3", "type4", "type5", "type6")
MOST = 8


@dataclass(frozen=True)
class ComposeConfig:
    """Make training rows from prompts and verifiable constraints."""

    prompts: str = "tasks"
    """Source of the prompts: `tasks` (a list in this package), a .jsonl, .json, .txt or .parquet file (with a field
    task, prompt or instruction), or a dataset on the Hugging Face hub as owner/name."""
    rows: int = 10_000
    """Number of training rows."""
    families: tuple[Family, ...] = ("ifeval", "if-rlvr")
    """Families of constraints. IFBench's are meant for tests: use them only for test data."""
    ids: tuple[str, ...] | None = None
    """Use only these constraint ids. This overrides --families."""
    numbers: tuple[int, ...] = (1, 2, 3)
    """Numbers of constraints per row, from 1 to 8. Each row draws one of them uniformly."""
    length: Length = "standard"
    """Ranges of the constraints' arguments. short: each constraint can be met in about 60 words."""
    layouts: tuple[Layout, ...] = BESIDE
    """Layouts that join task and constraints: HiR's six layouts, or inline (constraints around the task). Rows with
    inline constraints cannot be rewritten."""
    seed: int = 0
    """Random seed. The same seed gives the same files."""
    test_prompts: float = 0.1
    """Share of the prompts that are held out for tests."""
    test_ids: int | tuple[str, ...] = 0
    """Constraint ids that are held out for tests: a list of ids, or a number of ids to draw."""
    test_rows: int = 500
    """Number of rows in each test split."""
    format: Format = "if-multi"
    """Format of the files. if-multi: JSON lines as in IF_multi_constraints_upto5. nemo-gym: JSON lines for NeMo-Gym.
    verl: parquet for verl."""
    against: tuple[Path, ...] = ()
    """Files of benchmark prompts. A prompt that shares 8 consecutive words with one of them is skipped."""
    out: Path = Path("composed")
    """Folder for the files. Called again after a kill, the command goes on from what is there."""
    witnesses: bool = True
    """For each row, also write a response that passes its checkers."""
    overwrite: bool = False
    """Begin anew where OUT holds a composition already."""

    def __post_init__(self) -> None:
        for name in ("rows", "test_rows"):
            if getattr(self, name) < (name == "rows"):
                raise HindsightError(f"{name} is {getattr(self, name)}: it must be at least {int(name == 'rows')}")
        if not self.numbers or not all(1 <= number <= MOST for number in self.numbers):
            raise HindsightError(f"numbers is {self.numbers}: one or more from 1 to {MOST}")
        if not 0 <= self.test_prompts < 1:
            raise HindsightError(f"test_prompts is {self.test_prompts}: a share from 0 to below 1")
        if not self.families and self.ids is None:
            raise HindsightError("families is empty: name ifeval, if-rlvr or ifbench, or name ids")
        for family in self.families:
            if family not in FAMILY_IDS:
                raise HindsightError(f"unknown family {family!r}: one of {', '.join(FAMILY_IDS)}")
        if self.length not in ("short", "standard"):
            raise HindsightError(f"length is {self.length!r}: short or standard")
        if self.format not in ("if-multi", "nemo-gym", "verl"):
            raise HindsightError(f"format is {self.format!r}: if-multi, nemo-gym or verl")
        if not self.layouts:
            raise HindsightError("layouts is empty: one or more of type1 to type6 and inline")
        for layout in self.layouts:
            if layout not in (*LAYOUTS, "inline"):
                raise HindsightError(f"unknown layout {layout!r}: one of {', '.join(LAYOUTS)}, inline")
        named = (self.ids or ()) + (self.test_ids if isinstance(self.test_ids, tuple) else ())
        for id in named:
            checker_class(id)  # an unknown id, with the near ones
            if not composed(id, self.length):
                kind = id.partition(":")[0] + ":*"
                why = LEFT_OUT.get(id) or LEFT_OUT.get(kind) or f"not at length {self.length}"
                raise HindsightError(f"{id} cannot be composed ({why}): remove it from the ids")

    def candidates(self) -> list[str]:
        """The ids to use, including held-out ones, in a fixed order."""
        if self.ids is not None:
            found = list(dict.fromkeys(self.ids))
        else:
            found = [
                id
                for family in dict.fromkeys(self.families)
                for id in FAMILY_IDS[family]
                if composed(id, self.length) and id not in ON_REQUEST
            ]
        if isinstance(self.test_ids, tuple):
            found += [id for id in dict.fromkeys(self.test_ids) if id not in found]
        return found
