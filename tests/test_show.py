"""What `hindsight show` counts in a file of rows, on the terminal, as JSON and as a page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main as cli
from hindsight_rl.data.compose import ComposeConfig, compose
from hindsight_rl.data.compose.formats import if_multi
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.data.show import ShowConfig, survey

TASK = "Describe the bird that you saw from the window of the train this morning."


def row(*asked: tuple[str, dict[str, Any]], task: str = TASK, **more: Any) -> dict[str, Any]:
    return {
        "question": task,
        "criteria": [f"Constraint {at} of {id}, <b>{kwargs}</b>." for at, (id, kwargs) in enumerate(asked)],
        "instruction_id_list": [id for id, _ in asked],
        "kwargs": [kwargs for _, kwargs in asked],
        **more,
    }


COMMA = ("punctuation:no_comma", {})
LOWER = ("change_case:english_lowercase", {})
UPPER = ("change_case:english_capital", {})
MANY = ("length_constraints:number_words", {"relation": "at least", "num_words": 50})
FEW = ("length_constraints:number_words", {"relation": "less than", "num_words": 20})
TITLE = ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2})


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows))
    return path


def shown(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert cli(["show", str(path), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_composed_rows_have_nothing_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = compose(ComposeConfig(rows=300, test_rows=0)).train
    path = write(tmp_path / "rows.jsonl", *map(if_multi, made))
    found = shown(path, capsys)
    assert found["rows"] == 300 and found["tasks"] == len({each.task for each in made})
    assert sum(found["by id"].values()) == sum(len(each.ids) for each in made)
    assert sum(found["by number of constraints"].values()) == sum(found["by layout"].values()) == 300
    lengths = sorted(len(each.prompt.split()) for each in made)
    told = found["words per prompt"]
    assert (told["shortest"], told["longest"]) == (lengths[0], lengths[-1])
    assert not found["conflicts"] and not found["infeasible pairs"] and found["bad rows"]["by reason"] == {}
    assert found["prompts that came before"]["rows"] == 0 and found["overlap"] is None
    for id, texts in found["wordings"].items():
        assert sum(texts.values()) == found["by id"][id]


def test_what_is_wrong_is_counted_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path / "rows.jsonl",
        row(COMMA),
        row(LOWER, UPPER),
        row(MANY, FEW),
        row(LOWER, TITLE),
        row(COMMA),
        "{",
        {"prompt": "No constraints."},
        row(("no:such", {})),
        row(COMMA, task="Name a bird."),
    )
    benchmark = write(tmp_path / "bench.jsonl", {"prompt": f"Please: {TASK.lower()}"}, {"messages": [
        {"role": "user", "content": "Another task."}]})  # fmt: skip
    found = shown(path, capsys, "--against", str(benchmark))
    assert found["rows"] == 6 and found["tasks"] == 2
    (conflict, where), (crossed, there) = sorted(found["conflicts"].items())
    assert conflict == "change_case:english_capital conflicts with change_case:english_lowercase"
    assert where == {"rows": 1, "first": [f"{path}:2"]}
    assert crossed == "two of length_constraints:number_words contradict each other"
    assert there == {"rows": 1, "first": [f"{path}:3"]}
    (infeasible,) = found["infeasible pairs"]
    assert infeasible.startswith("change_case:english_lowercase + detectable_format:multiple_sections: ")
    assert found["prompts that came before"] == {"rows": 1, "first": [f"{path}:5"]}
    assert found["overlap"]["rows"] == 5 and found["overlap"]["first"][0] == f"{path}:1"
    assert found["bad rows"]["by reason"] == {
        "not JSON": 1,
        "no constraints in the row": 1,
        "unknown constraint id": 1,
    }
    assert found["bad rows"]["first"][0] == f"{path}:6: not JSON"
    assert cli(["show", str(path), "--examples", "0", "--against", str(benchmark)]) == 0
    said = capsys.readouterr().out
    assert "conflicts: 2" in said and f"(first at {path}:2)" in said and "bad rows: 3" in said


def test_wordings_are_told_apart_without_their_numbers_and_words(tmp_path: Path) -> None:
    def asked(text: str, *words: str) -> dict[str, Any]:
        return {**row(("keywords:existence", {"keywords": list(words)})), "criteria": [text]}

    def letters(text: str, letter: str, number: int) -> dict[str, Any]:
        kwargs = {"letter": letter, "let_frequency": number, "let_relation": "at least"}
        return {**row(("keywords:letter_frequency", kwargs)), "criteria": [text]}

    path = write(
        tmp_path / "rows.jsonl",
        asked('Mention "tea" and "cup".', "tea", "cup"),
        asked('Mention "sun".', "sun"),
        asked("Include the words [tea, cup, spoon].", "tea", "cup", "spoon"),
        letters('Use the letter "a" at least 3 times, at a minimum.', "a", 3),
        letters('Use the letter "q" at least five times, at a minimum.', "q", 5),
    )
    found = survey(ShowConfig(str(path)))
    assert dict(found.wordings["keywords:existence"]) == {"Mention \u2026.": 2, "Include the words \u2026.": 1}
    assert dict(found.wordings["keywords:letter_frequency"]) == {
        "Use the letter \u2026 at least # times, at a minimum.": 2
    }


def test_random_rows_are_drawn_from_all_and_stay_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *(row(COMMA, task=f"Name bird {n}.") for n in range(50)))

    def drawn(seed: int, examples: int = 10) -> list[int]:
        found = survey(ShowConfig(str(path), seed=seed, examples=examples)).examples
        return [int(where.rpartition(":")[2]) for where, _ in found]

    assert drawn(0) == drawn(0) == sorted(set(drawn(0))) and len(drawn(0)) == 10
    assert drawn(0) != drawn(1)
    seen = {number for seed in range(60) for number in drawn(seed)}
    assert seen == set(range(1, 51))
    assert len(drawn(0, 60)) == 50 and drawn(0, 0) == []


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("script", "link", "img", "iframe")
        self.links += [given["href"] or ""] if "href" in given else []
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_nothing_of_anyone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path / "rows.jsonl", row(LOWER, UPPER), row(COMMA, task="Say <script>alert(1)</script>."), "<i>no json</i>"
    )
    out = tmp_path / "pages" / "rows.html"
    assert cli(["show", str(path), "--out", str(out)]) == 0
    assert f"page: {out}" in capsys.readouterr().out
    text = out.read_text()
    page, text = _Page(text), text.replace("<wbr>", "")
    assert not page.open and page.links and all(link[1:] in page.ids and link[0] == "#" for link in page.links)
    assert not re.search(r"https?:|url\(|@import|\bsrc=", text)
    assert "&lt;script&gt;alert(1)" in text and "change_case:english_capital conflicts with" in text
    assert f"{path}:3: not JSON" in text


def test_what_cannot_be_read_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["show", str(tmp_path / "none.jsonl")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    path = write(tmp_path / "rows.jsonl", {"text": "a"})
    assert cli(["show", str(path)]) == 2
    assert "no row can be read (1 bad rows;" in capsys.readouterr().err
    write(path, row(COMMA))
    bench = write(tmp_path / "bench.jsonl", {"task": "A task."}, {"words": 3})
    assert cli(["show", str(path), "--against", str(bench)]) == 2
    assert f"{bench}:2: no prompt in the row" in capsys.readouterr().err
    assert cli(["show", str(path), "--out", str(path / "page.html")]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_public_prompts(shared_data: Path) -> None:
    found = survey(ShowConfig(str(shared_data / "ifeval" / "prompts.jsonl")))
    assert found.rows == 541 and not found.bad.total
    found = survey(ShowConfig(str(shared_data / "muldimif" / "test.json"), examples=3))
    assert found.rows + found.bad.total == 1200 and len(found.examples) == 3
    assert read_dataset(shared_data / "ifbench" / "prompts.jsonl").instructions
