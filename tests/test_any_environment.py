"""No code outside an environment's own folder knows the environment: no name, no event, no action of it.

Examples in docstrings and comments are not code.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "hindsight_rl"
FILES = [
    file
    for part in ("agent", "report", "encoder.py", "cli.py", "run.py", "endpoint")
    for file in ([ROOT / part] if part.endswith(".py") else sorted((ROOT / part).rglob("*")))
    if file.suffix in (".py", ".html", ".txt") and "envs" not in file.relative_to(ROOT).parts
]
TERMS = re.compile(
    r"craftax|xminigrid|zombie|skeleton|sapling|pickaxe|furnace|\bcows?\b|\bnoop\b|"
    r"(?:collect|place|make|defeat|eat|hit|find|reach)_(?:wood|drink|stone|coal|iron|diamond|table|plant|cow|tree|water)|"
    r"collect wood|pick_up_|go_to_|put_down_|open_\w+_door|reach_goal|\b(?:22|44|67) (?:achievements|events)",
    re.IGNORECASE,
)
# A benchmark of one game is about that game.
ABOUT_ONE = {"agent/evaluation/craftext.py"}


def said(file: Path) -> Iterator[tuple[int, str]]:
    """Every name, import and text in a file, without docstrings and comments; a template as a whole."""
    text = file.read_text("utf-8")
    if file.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    tree = ast.parse(text)
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    documentation = {id(line.value) for body in bodies for line in body if isinstance(line, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_outside_knows_an_environment(file: Path) -> None:
    if str(file.relative_to(ROOT)) in ABOUT_ONE:
        return
    assert [(line, text) for line, text in said(file) if TERMS.search(text)] == []


def test_the_protocol_the_map_bank_and_the_search_by_name_know_none_either() -> None:
    for file in (ROOT / "agent" / "envs").glob("*.py"):
        found = [text for _, text in said(file) if TERMS.search(text)]
        assert found == (["craftax"] if file.name == "__init__.py" else []), file  # the list of built-in packages


def test_such_a_term_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text('"""Collect a sapling."""\nif event.name == "collect_wood":\n    pass\n', "utf-8")
    assert [text for _, text in said(file) if TERMS.search(text)] == ["collect_wood"]
