"""How a task and its constraints become one prompt: six layouts of HiR's data, and chat templates.

render("type4", "Describe a gull.", ["Use two sentences.", "No commas."])
"Describe a gull.\\n\\n- Use two sentences.\\n- No commas."

Source: the released code of HiR (arXiv 2512.23457), ``q_type`` type1 to type6. Standard library only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hindsight_rl.errors import HindsightError

# From a task and the texts of its constraints to a prompt.
Layout = Callable[[str, Sequence[str]], str]
# A tokenizer's chat template: from messages ({"role", "content"}) to the text that the model reads.
Template = Callable[[Sequence[Mapping[str, Any]]], str]

PLAIN = "plain"
_ENDS = (",", ".", "?", "!")


def sentences(texts: Sequence[str]) -> str:
    """The texts as sentences in a row: one that ends in none of ``, . ? !`` gets a full stop."""
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


def render(layout: str | Layout, task: str, texts: Sequence[str]) -> str:
    """The prompt; without any texts the task alone.

    layout: "type1" to "type6", "plain" (everything joined by spaces), or a function of one's own. Raises
    :class:`HindsightError` for another name.
    """
    if not callable(layout):
        if layout not in _KNOWN:
            raise HindsightError(f"unknown layout {layout!r}: one of {', '.join(_KNOWN)}")
        layout = _KNOWN[layout]
    return layout(task, texts) if texts else task


def layout_of(key: object) -> str:
    """One of the six for a row whose data names none: the same for the same key, on every machine."""
    return list(LAYOUTS)[zlib.crc32(str(key).encode("utf-8", "surrogatepass")) % len(LAYOUTS)]
