"""The walls between the rooms of the package, read from the imports in its source."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hindsight_rl

ROOT = Path(hindsight_rl.__file__).parent
ENGINES = {"torch", "jax", "jaxlib", "flax", "optax", "trl", "verl", "transformers", "accelerate", "peft", "ray"}
# Room -> packages of others that it may not import, at any depth of its code.
BARRED = {
    "replay": ENGINES | {"openai", "datasets"},
    "constraints": ENGINES | {"openai", "datasets"},
    "evaluation": ENGINES | {"openai"},
    "data": ENGINES | {"openai"},
    "report": ENGINES | {"openai"},
    "endpoint": ENGINES,
    "run": ENGINES,
    "display": ENGINES,
    "errors": ENGINES,
    "atomic_files": ENGINES,
    "intervals": ENGINES,
    "cli": ENGINES,
    "agent": {"trl", "verl", "transformers", "accelerate", "peft", "openai"},
    "lm": {"jax", "jaxlib", "flax", "optax", "craftax", "xminigrid", "openai"},
}
# Engine -> the folders that may touch it.
HOMES = {
    "trl": ("lm/trl",),
    "verl": ("lm/verl",),
    "jax": ("agent",),
    "flax": ("agent",),
    "optax": ("agent",),
    "craftax": ("agent/envs/craftax",),
    "xminigrid": ("agent/envs/minigrid",),
    "openai": ("endpoint/client.py",),
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = ("hindsight_rl", *file.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def imports(file: Path, *, top_level: bool = False) -> tuple[str, ...]:
    """Dotted names that a file imports; with `top_level` only those that run as it is imported."""
    return tuple(_imports(ast.parse(file.read_text("utf-8")), top_level))


def _imports(tree: ast.AST, top_level: bool) -> Iterator[str]:
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        if top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_rooms_import_only_what_they_may():
    for name, file in modules().items():
        wanted = {each.split(".")[0] for each in imports(file)}
        assert not wanted & BARRED.get(room(name), set()), (name, wanted & BARRED.get(room(name), set()))


def test_the_agent_and_the_language_model_do_not_know_each_other():
    for name, file in modules().items():
        other = {"agent": "hindsight_rl.lm", "lm": "hindsight_rl.agent"}.get(room(name))
        if other:
            assert not [each for each in imports(file) if each == other or each.startswith(other + ".")], name


@pytest.mark.parametrize("engine", HOMES)
def test_an_engine_is_touched_in_one_folder(engine):
    touching = [
        file.relative_to(ROOT).as_posix()
        for file in modules().values()
        if engine in {each.split(".")[0] for each in imports(file)}
    ]
    assert touching, f"nothing imports {engine}: the table is out of date"
    assert all(place.startswith(HOMES[engine]) for place in touching), touching


def test_no_import_circle():
    known = modules()
    graph = {
        name: {each for each in imports(file, top_level=True) if each in known and each != name}
        for name, file in known.items()
    }
    state: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if state.get(name) == "done":
            return
        assert state.get(name) != "open", "a circle: " + " -> ".join((*path[path.index(name) :], name))
        state[name] = "open"
        for each in sorted(graph[name]):
            visit(each, (*path, name))
        state[name] = "done"

    for name in sorted(graph):
        visit(name, ())


def test_every_folder_says_what_it_holds():
    for folder in {file.parent for file in modules().values()}:
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
        assert text and len(text.splitlines()[0]) > 20, folder
