"""The notebooks of the documentation run, and what they show is what they print.

A cell with the tag `exact` must print the text that the notebook has stored.

`WRITE_DOCS=1 pytest tests/test_notebooks.py` stores what the cells print now.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.agent

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install 'hindsight-rl[dev]'")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install 'hindsight-rl[dev]'")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install 'hindsight-rl[dev]'")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def printed(cell: Any) -> str:
    """What a cell wrote to standard output."""
    return "".join(each["text"] for each in cell.outputs if each.output_type == "stream" and each.name == "stdout")


def test_there_is_one_for_each_learner() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"agent", "sandbox"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, 4)
    stored = [printed(cell) for cell in notebook.cells if "exact" in cell.metadata.get("tags", ())]
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
    if os.environ.get("WRITE_DOCS"):
        nbformat.write(notebook, path)
        return
    assert stored, "a cell with the tag 'exact' is needed"
    assert [printed(cell) for cell in notebook.cells if "exact" in cell.metadata.get("tags", ())] == stored


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere(path: Path) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    links = re.findall(r"\[[^\]]*\]\(([^)\s#]+)", text)
    assert links
    assert [each for each in links if "://" not in each and not (path.parent / each).exists()] == []
