"""A file is replaced whole, or it stays as it was."""

import json

import pytest

from hindsight_rl.atomic_files import check_output, replacing, write_output, write_text
from hindsight_rl.errors import HindsightError


def test_a_file_is_replaced_at_the_end_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("old")
    with replacing(path) as partial:
        assert partial.parent == tmp_path and partial.suffix == ".json" and partial != path
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_is_there_alone(tmp_path):
    path = tmp_path / "scores.json"
    write_text(path, json.dumps("größer", ensure_ascii=False))
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half of it")
        raise RuntimeError
    assert json.loads(path.read_text("utf-8")) == "größer" and list(tmp_path.iterdir()) == [path]


def test_an_output_makes_its_folder_and_says_what_to_do_where_it_cannot_be_written(tmp_path):
    out = tmp_path / "pages" / "page.html"
    write_output(out, lambda path: path.write_text("page"))
    assert out.read_text() == "page"
    with pytest.raises(HindsightError, match=r"cannot write .*page.html/x: .*; choose another --out"):
        write_output(out / "x", lambda path: path.write_text("page"))


def test_a_place_for_an_output_is_checked_before_the_work_and_nothing_is_made(tmp_path):
    check_output(tmp_path / "new" / "folders" / "page.html")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("no folder")
    for out in (tmp_path, tmp_path / "file" / "x"):
        with pytest.raises(HindsightError, match=r"cannot write .*; choose another --out"):
            check_output(out)
