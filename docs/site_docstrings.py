"""How docstrings of this codebase become text of the reference pages (a Griffe extension, see mkdocs.yml).

- ``name: what it is`` in running text gets its name in bold, where it is a parameter or an attribute.
- Sphinx roles (:class:`~package.module.Name`) become links where the site has the name, else plain code.
- Settings that keep their help text in a call, ``_setting(default, "help")``, are shown as default and docstring.
"""

import ast
import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`(?P<tilde>~?)(?P<target>[\w.]+)`")
SETTINGS = ("_setting", "_option")


class Docstrings(griffe.Extension):
    """Rewrites docstrings after a module was read."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Take default and help text out of a call of `SETTINGS`."""
        value = attr.value
        if isinstance(value, griffe.ExprCall) and str(value.function) in SETTINGS and len(value.arguments) > 1:
            default, told = value.arguments[0], value.arguments[1]
            attr.value = default
            if attr.docstring is None and isinstance(told, str):
                try:
                    attr.docstring = griffe.Docstring(str(ast.literal_eval(told)), parent=attr)
                except (SyntaxError, ValueError):
                    return

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite every docstring of the package."""
        self._walk(pkg)

    def _walk(self, found: griffe.Object) -> None:
        if found.docstring is not None:
            found.docstring.value = ROLE.sub(_linked, _marked(found.docstring.value, _names(found)))
        for member in found.members.values():
            if not member.is_alias:
                self._walk(member)


def _names(found: griffe.Object) -> set[str]:
    """Parameters and attributes that the docstring may speak of."""
    names = {name for name, member in found.members.items() if not member.is_alias and member.is_attribute}
    if isinstance(found, griffe.Function):
        names |= {parameter.name for parameter in found.parameters}
    if isinstance(found, griffe.Class) and "__init__" in found.members:
        names |= {parameter.name for parameter in found.members["__init__"].parameters}
    return names


def _marked(text: str, names: set[str]) -> str:
    """`name: ` and `one, other: ` at the start of a sentence in bold; lines of an Args section stay as they are."""
    if not names:
        return text
    one = "(?:" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + ")"
    start = re.compile(rf"(^|(?<=[.)] )|(?<=\.\n)|(?<=\n\n))({one}(?:, {one})*): (?=\S)")
    return start.sub(r"\1**\2**: ", text)


def _linked(role: re.Match[str]) -> str:
    target = role["target"].removeprefix(".")
    shown = target.rpartition(".")[2] if role["tilde"] else target
    if not target.startswith("hindsight_rl."):
        return f"`{shown}`"
    return f'<autoref optional identifier="{target}"><code>{shown}</code></autoref>'
