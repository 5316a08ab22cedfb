"""Pages from the templates in `templates/`: one HTML file each, without requests. Text is always escaped.

Only the page on which people rate relabels has a script.
"""

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hindsight_rl import __version__
from hindsight_rl.report.figures import Drawing
from hindsight_rl.report.tables import duration, short

_PART = re.compile(r"(?<=\w)[:_/](?=\w)")


def breakable(text: object) -> Markup:
    """Text whose ids and paths may break behind their parts, not within a word."""
    return Markup(_PART.sub(r"\g<0><wbr>", str(escape(text))))


@cache
def _environment() -> Environment:
    env = Environment(
        loader=PackageLoader("hindsight_rl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"short": short, "duration": duration, "breakable": breakable, "repr": repr}
    return env


def fill(template: str, **values: Any) -> str:
    """A page from its template, e.g. `report.html`; the same values give the same text."""
    return _environment().get_template(template).render(values, draw=Drawing(), version=__version__)
