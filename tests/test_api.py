"""The public API: every name is there, and asking for the package alone loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hindsight_rl


@pytest.mark.parametrize("name", [name for name in hindsight_rl.__all__ if not name.startswith("__")])
def test_every_public_name_is_there_with_a_docstring(name):
    if hindsight_rl._HOME[name].startswith("lm.trl"):
        pytest.importorskip("trl")
    if hindsight_rl._HOME[name].startswith("agent"):
        pytest.importorskip("craftax")
    found = getattr(hindsight_rl, name)
    assert found.__doc__, name


def test_the_list_is_complete_and_type_checkers_see_the_same():
    listed = {name for name in hindsight_rl.__all__ if not name.startswith("__")}
    tree = ast.parse(Path(hindsight_rl.__file__).read_text("utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert listed == set(hindsight_rl._HOME) == typed


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        hindsight_rl.nothing  # noqa: B018


def test_the_package_alone_loads_no_other_package():
    code = "import sys; before = set(sys.modules); import hindsight_rl; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ast.literal_eval(done.stdout)}
    assert not loaded & {"numpy", "torch", "jax", "transformers", "trl", "tyro", "rich", "datasets"}, loaded
