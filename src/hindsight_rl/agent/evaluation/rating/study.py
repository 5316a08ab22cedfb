"""The files of a rating: the page for the annotators, and the key, which says what grounding decided.

The key is a file of its own, because whoever has the page can read all of it.
"""

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hindsight_rl.atomic_files import write_output
from hindsight_rl.errors import HindsightError

PAGE, KEY, TRUE_EVENTS = "rate.html", "key.json", "true-events.jsonl"
VERDICTS = ("no", "partly", "yes")
"""From the worst to the best: an ordinal scale."""


@dataclass(frozen=True)
class Item:
    """A relabel that people rate.

    Attributes:
        item: its id.
        text: the sentence.
        rejected: why grounding rejects it; None: it is accepted.
        kind: the kind of the rejection.
        true_events: the answer of `truth.TrueEvents`.
        happened: (step, from 1, and name) of each event of the trajectory.
    """

    item: str
    text: str
    rejected: str | None
    kind: str | None
    true_events: str | None
    happened: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Study:
    """The relabels of one page, and what is known of them.

    Attributes:
        study: the id of the page. Each answer carries it.
        run: what made the relabels: method, env, seed, step, relabeler.
        settings: of the page: items, seed, steps.
        proposed: how many `trajectories` were made, and how many relabels of them were `accepted` and `rejected`.
        items: in the order of the page.
    """

    study: str
    run: dict[str, Any]
    settings: dict[str, Any]
    proposed: dict[str, int]
    items: tuple[Item, ...]

    @property
    def by_id(self) -> dict[str, Item]:
        """The items by their ids."""
        return {item.item: item for item in self.items}

    def write(self, folder: Path) -> None:
        """Write the key, and the answers of `true-events`."""
        text = json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"
        write_output(folder / KEY, lambda path: path.write_text(text, "utf-8"))
        rows = [
            {"study": self.study, "item": x.item, "annotator": "true-events", "verdict": x.true_events, "text": x.text}
            for x in self.items
            if x.true_events
        ]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_output(folder / TRUE_EVENTS, lambda path: path.write_text(lines, "utf-8"))

    @classmethod
    def read(cls, folder: Path) -> "Study":
        """The key in a folder.

        Raises:
            HindsightError: there is none, or it is damaged or of another version.
        """
        file = folder / KEY
        try:
            stored = json.loads(file.read_text("utf-8"))
            items = tuple(
                Item(**{**row, "happened": tuple((int(s), str(n)) for s, n in row["happened"])})
                for row in stored.pop("items")
            )
            return cls(**stored, items=items)
        except FileNotFoundError as error:
            raise HindsightError(
                f"{file} is missing: make the page first (hindsight agent rate RUN), or name its folder with --out"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise HindsightError(
                f"{file} is damaged or of another version ({type(error).__name__}: {error}): make the page anew in "
                "another folder (--out)"
            ) from error

    def about(self) -> str:
        """The relabels in one line."""
        counts = Counter(item.rejected is None for item in self.items)
        return f"{len(self.items)} relabels, {counts[True]} accepted by grounding and {counts[False]} rejected"
