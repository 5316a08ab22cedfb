"""How a task and its constraints become a prompt: six layouts of HiR's data, layouts found in prompts, chat templates.

render("type4", "Describe a gull.", ["Use two sentences.", "No commas."])
"Describe a gull.\\n\\n- Use two sentences.\\n- No commas."

If the data gives a prompt as one text, a rewrite keeps its layout (:class:`FoundLayout`): bullets or numbers, the text
between constraints, and the line before them.

Source: the released code of HiR (arXiv 2512.23457), ``q_type`` type1 to type6. Standard library only.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hindsight_rl.errors import HindsightError

# From a task and the texts of its constraints to a prompt.
Layout = Callable[[str, Sequence[str]], str]
# A tokenizer's chat template: from messages ({"role", "content"}) to the text that the model reads.
Template = Callable[[Sequence[Mapping[str, Any]]], str]

PLAIN = "plain"
_ENDS = (",", ".", "?", "!")


def sentences(texts: Sequence[str]) -> str:
    """The texts as consecutive sentences; a text that does not end in one of ``, . ? !`` gets a full stop."""
    return " ".join(text if text.endswith(_ENDS) else text + "." for text in map(str.strip, texts))


def _plain(task: str, texts: Sequence[str]) -> str:
    return " ".join([task, *texts])


def _after_a_space(task: str, texts: Sequence[str]) -> str:
    return f"{task} {sentences(texts)}"


def _next_line(task: str, texts: Sequence[str]) -> str:
    return f"{task}\n{sentences(texts)}"


def _numbered(task: str, texts: Sequence[str]) -> str:
    rules = "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))
    return f"{task}\n\nThe output must follow the following rules:\n{rules}"


def _bullets(task: str, texts: Sequence[str]) -> str:
    return f"{task}\n\n" + "\n".join(f"- {text}" for text in texts)


def _before(task: str, texts: Sequence[str]) -> str:
    return f"{sentences(texts)}\n\n{task}"


def _lines(task: str, texts: Sequence[str]) -> str:
    return f"{task}\n\n" + "\n".join(texts)


LAYOUTS: dict[str, Layout] = {
    "type1": _after_a_space,
    "type2": _next_line,
    "type3": _numbered,
    "type4": _bullets,
    "type5": _before,
    "type6": _lines,
}
_KNOWN: dict[str, Layout] = {PLAIN: _plain, **LAYOUTS}


# The number of a list item, at the end of the text before the item.
_NUMBER = re.compile(r"\d{1,3}(?=[.)]\s*$)")
_STOPS = (".", "!", "?", ",", ";", ":", "\u3002")


@dataclass(frozen=True)
class FoundLayout:
    """The layout of an existing prompt: the text around its task and its constraints.

    before: the text before each constraint, in the order of the prompt. For the first constraint, this is all text
    after the task (or from the start of the prompt), including a line that introduces the constraints. after: the text
    after the last constraint. order: of the constraints in the prompt, as indices into the instruction's. stopped:
    which of them, in the order of the prompt, end in a full stop. ending: in running text, whether the last one does;
    None in a list. task_first: whether the task is before the constraints. numbered: the constraints are numbered
    without gaps, and are renumbered in a rewrite.
    """

    before: tuple[str, ...]
    after: str
    order: tuple[int, ...]
    stopped: tuple[bool, ...]
    ending: bool | None = None
    task_first: bool = True
    numbered: bool = False

    def __call__(self, task: str, texts: Sequence[str]) -> str:
        """The prompt with these texts, in the instruction's order, instead of the constraints."""
        order = [index for index in self.order if index < len(texts)]
        order += range(len(order), len(texts))
        parts = []
        for place, index in enumerate(order):
            before = self.before[min(place, len(self.before) - 1)]
            if place and len(self.before) == 1:  # one constraint was found, and there are more texts
                before = _again(before)
            if place and self.numbered:
                before = _NUMBER.sub(str(self._first + place), before)
            parts += [before, self._stopped(texts[index], place, last=place == len(order) - 1)]
        rules = "".join(parts) + self.after
        return task + rules if self.task_first else rules + task

    @property
    def _first(self) -> int:
        found = _NUMBER.search(self.before[0])
        return int(found[0]) if found else 1

    def _stopped(self, text: str, place: int, last: bool) -> str:
        """The text with or without a full stop, like the text that it replaces."""
        ends = self.stopped[min(place, len(self.stopped) - 1)]
        if last and self.ending is not None:
            ends = self.ending
        if text.endswith(_STOPS):
            return text if ends or not text.endswith(".") else text[:-1]
        return text + "." if ends else text

    def keeping(self, kept: Sequence[int]) -> FoundLayout:
        """The layout of an instruction that keeps these constraints (indices, in the new order)."""
        renamed = {index: at for at, index in enumerate(kept)}
        places = [place for place, index in enumerate(self.order) if index in renamed]
        if not places:
            return self
        # The new first constraint gets the place of the old first one.
        before = (self.before[0], *(self.before[place] for place in places[1:]))
        return replace(
            self,
            before=before,
            order=tuple(renamed[self.order[place]] for place in places),
            stopped=tuple(self.stopped[place] for place in places),
        )


def _again(before: str) -> str:
    """The text before further constraints if only one was found: its line break and its list mark."""
    line = before.rpartition("\n")[2]
    return "\n" + line if "\n" in before else " "


def layout_to_json(layout: str | Layout) -> str:
    """The name of a layout, or JSON for a found one; :data:`PLAIN` for a custom function."""
    if isinstance(layout, FoundLayout):
        return json.dumps(asdict(layout))
    return layout if isinstance(layout, str) else PLAIN


def layout_from_json(text: str) -> str | Layout:
    """The layout that :func:`layout_to_json` wrote; raises :class:`HindsightError` for other text."""
    if not text.startswith("{"):
        return text
    try:
        given = json.loads(text)
        made: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        return FoundLayout(**made)
    except (ValueError, TypeError) as error:
        raise HindsightError(f"not a layout: {text!r:.60} ({error})") from error


def render(layout: str | Layout, task: str, texts: Sequence[str]) -> str:
    """The prompt; without texts, only the task.

    layout: "type1" to "type6", "plain" (everything joined by spaces), or a custom function. Raises
    :class:`HindsightError` for another name.
    """
    if not callable(layout):
        if layout not in _KNOWN:
            raise HindsightError(f"unknown layout {layout!r}: one of {', '.join(_KNOWN)}")
        layout = _KNOWN[layout]
    return layout(task, texts) if texts else task


def layout_of(key: object) -> str:
    """One of the six layouts, for a row without a layout: the same for the same key, on every machine."""
    return list(LAYOUTS)[zlib.crc32(str(key).encode("utf-8", "surrogatepass")) % len(LAYOUTS)]
