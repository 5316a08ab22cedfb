"""IFEval's ``detectable_content:`` constraints: placeholders and a postscript."""

from __future__ import annotations

import re
from typing import Any

from hindsight_rl.constraints.core import Checker, Param, register
from hindsight_rl.constraints.declare import bounded, count
from hindsight_rl.constraints.ifeval.conflicts import CONFLICTS
from hindsight_rl.constraints.ifeval.declare import ifeval
from hindsight_rl.constraints.text.response import Text, as_text


def _placeholders(text: Text) -> int:
    """Spans ``[...]`` within a line, counted from the left without overlap."""
    count = 0
    for line in text.lines:
        start = line.find("[")
        while start >= 0:
            end = line.find("]", start)
            if end < 0:
                break
            count += 1
            start = line.find("[", end)
    return count


@ifeval(
    "detectable_content:number_placeholders",
    count("num_placeholders"),
    wording="The response must contain at least {num_placeholders} placeholders "
    "represented by square brackets, such as [address].",
    achieved=bounded(lambda text, **_: _placeholders(text), "num_placeholders"),
)
def number_placeholders(text: Text, num_placeholders: int) -> bool:
    return _placeholders(text) >= num_placeholders


@register("detectable_content:postscript", conflicts=CONFLICTS["detectable_content:postscript"])
class Postscript(Checker):
    """The marker occurs, in any case; P.S. and P.P.S also with a space between."""

    params = (Param("postscript_marker", str),)
    wording = "At the end of your response, please explicitly add a postscript starting with {postscript_marker}"

    def validated(self) -> None:
        marker = self.values["postscript_marker"] = self.values["postscript_marker"].strip()
        forms = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
        self._form = re.compile(forms.get(marker, re.escape(marker.lower())))

    def follows(self, text: Text) -> bool:
        return self._form.search(text.lower) is not None

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        for marker in (self.values["postscript_marker"], "P.P.S", "P.S."):
            if self.at({"postscript_marker": marker}).follows(as_text(response)):
                return {"postscript_marker": marker}
        return None
