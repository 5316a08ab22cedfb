"""Rows of local files: what a file is, its bytes say, and a bad row does not end the reading."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hindsight_rl.cli import main
from hindsight_rl.data import files
from hindsight_rl.data.files import file_rows, first_line
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.data.stream import stream
from hindsight_rl.errors import HindsightError

FEW = {"relation": "less than", "num_words": 5}
ROW = {"key": 1, "prompt": "Go.", "instruction_id_list": ["length_constraints:number_words"], "kwargs": [FEW]}
ANSWER = {"key": 1, "response": "gone"}
LINE = json.dumps(ROW) + "\n"


def read(path: Path) -> list[Any]:
    return [found.row if found.row is not None else found.problem for found in file_rows(path)]


def written(folder: Path, name: str, *rows: Any) -> Path:
    """A file of rows in the form that its name says."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
        return path
    plain = name.removesuffix(".gz")
    text = json.dumps(list(rows)) if plain.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


FORMS = ("rows.jsonl", "rows.jsonl.gz", "rows.json", "rows.json.gz", "rows.parquet", "folder/rows.jsonl.gz")


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_read_by_every_command(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts, responses = written(tmp_path / "p", name, ROW), written(tmp_path / "r", name, ANSWER)
    if "/" in name:
        prompts, responses = prompts.parent, responses.parent
    (one,) = read_dataset(prompts).instructions
    assert one.prompt == "Go." and first_line(prompts)
    assert main(["score", "ifeval", str(responses), "--prompts", str(prompts), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strict"]["prompt"]["correct"] == 1
    relabel = ["relabel", str(responses), "--prompts", str(prompts), "--out", str(tmp_path / "out.jsonl")]
    assert main(relabel) == 0 and main(["show", str(prompts), "--out", str(tmp_path / "page.html")]) == 0


def test_a_form_is_known_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(gzip.compress(LINE.encode()))
    assert read(path) == [ROW]
    written(tmp_path, "rows.parquet", {"a": 1}).rename(path)
    assert read(path) == [{"a": 1}]


def test_a_byte_order_mark_is_no_part_of_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + LINE.encode() + b"\xef\xbb\xbf" + LINE.encode())  # two files put together
    assert read(path) == [ROW, ROW] and first_line(path) == LINE.strip().encode()
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([ROW]).encode())
    assert read(path) == [ROW]
    path.write_bytes(b"\xef\xbb\xbf" + LINE.encode())
    responses = tmp_path / "r.jsonl"
    responses.write_bytes(b"\xef\xbb\xbf" + json.dumps(ANSWER).encode())
    assert main(["score", "ifeval", str(responses), "--prompts", str(path), "--json"]) == 0
    text = tmp_path / "prompts.txt"
    text.write_bytes(b"\xef\xbb\xbfDescribe a gull.\nDescribe a cliff.\n")
    out = tmp_path / "composed"
    compose = ["compose", "--prompts", str(text), "--rows", "2", "--test-prompts", "0", "--out", str(out)]
    assert main(compose) == 0
    assert "\ufeff" not in (out / "train.jsonl").read_text("utf-8")


def test_utf_16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LINE.encode("utf-16"))
    with pytest.raises(HindsightError, match=r"rows.jsonl: its text is UTF-16; save it as UTF-8"):
        read(path)


def test_bad_lines_are_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"{\n[1]\n\n\xff\n" + LINE.encode() + b"[" * 100_000)
    found = list(stream(path))
    assert [each.problem for each in found] == ["not JSON", "list instead of an object", "not JSON", "", "not JSON"]
    assert [each.where.rpartition(":")[2] for each in found] == ["1", "2", "4", "5", "6"]
    with pytest.raises(HindsightError, match=r"rows.jsonl:1: not JSON: Expecting property name"):
        found[0].read()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4) | st.integers(), max_size=6), st.integers(1, 9)
)
def test_an_array_is_read_in_pieces_of_any_size(tmp_path_factory: Any, rows: list[Any], size: int) -> None:
    path = tmp_path_factory.mktemp("array") / "rows.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=size % 3 or None), "utf-8")
    before, files._CHUNK = files._CHUNK, size
    try:
        found = list(file_rows(path))
    finally:
        files._CHUNK = before
    assert [each.row for each in found] == [row if isinstance(row, dict) else None for row in rows]
    assert [each.where for each in found] == [f"{path}:item {at}" for at in range(1, len(rows) + 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "item 0: the array does not end"),
        ('[{"a": 1}', "item 1: the array does not end"),
        ('[{"a": 1},]', "item 1: Expecting value"),
        ('[{"a": 1} {"a": 2}]', "item 1: '{' instead of ','"),
        ('[{"a": 1}, {"a": }]', "item 1: Expecting value"),
        ('[{"a": 1}] x', "item 1: 'x' behind the array"),
    ],
)
def test_a_broken_array_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(HindsightError, match=rf"rows.json: not JSON behind {said}"):
        read(path)


def test_an_array_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"text": "x" * 10_000} for _ in range(3_000)]))
    with path.open("rb") as file:
        found = files._array(file, path)
        next(found)
        assert file.tell() < 2_000_000  # of 30 million bytes


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    for name, at in (("b.jsonl", 2), ("a.jsonl", 1), ("c/d.json", 3)):
        written(tmp_path / "all", name, {"at": at})
    written(tmp_path / "all", ".hidden/e.jsonl", {"at": 4})
    assert [row["at"] for row in read(tmp_path / "all")] == [1, 2, 3]
    for name, at in (("data/train-00001.jsonl", 2), ("data/train-00000.jsonl", 1), ("data/test-00000.jsonl", 9)):
        written(tmp_path / "hub", name, {"at": at})
    assert [row["at"] for row in read(tmp_path / "hub")] == [1, 2]
    written(tmp_path / "hub", "data/train-00000.witness.jsonl", {"response": "of compose"})
    written(tmp_path / "hub", "data/train-00000.jsonl.counts.json", {"rows": "of relabel"})
    assert [row["at"] for row in read(tmp_path / "hub")] == [1, 2]
    written(tmp_path / "eval", "results_2026.json", {"results": 1})
    written(tmp_path / "eval", "samples_ifeval_2026.jsonl", {"at": 5})
    assert read(tmp_path / "eval") == [{"at": 5}]
    (tmp_path / "none").mkdir()
    with pytest.raises(HindsightError, match=r"none: no file of rows in this folder; it may hold .jsonl"):
        read(tmp_path / "none")


def test_torn_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(LINE.encode() * 100)[:40])
    with pytest.raises(HindsightError, match=r"rows.jsonl.gz: cannot be read"):
        read(path)
    with pytest.raises(HindsightError, match=r"no.jsonl: cannot be read"):
        read(tmp_path / "no.jsonl")


def test_parquet_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "rows.parquet", {"a": 1})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(HindsightError, match=r"pip install 'hindsight-rl\[parquet\]'"):
        read(path)
