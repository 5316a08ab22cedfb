"""The report page on arms of the sandbox, from made-up run folders: what is averaged, shown, refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main as hindsight
from hindsight_rl.report.arm_records import parts
from hindsight_rl.report.arm_sections import evaluated
from hindsight_rl.report.arms import ArmRun, arm_chapters
from hindsight_rl.report.curves import averaged
from hindsight_rl.report.page import read, render, write_report
from test_report import Page, make_run, shown

LEVELS = {"rlvr": 0.1, "fraction": 0.3, "hir": 0.5, "retarget": 0.6, "hir-random": 0.4}
REWRITE = {
    "step": 2, "rollouts": 200, "prompt": "sorted ; 4 words ; no e ; end moon", "response": "- dog\n- <star>",
    "verdict": [True, False, True, False], "rewritten": "sorted ; 2 words ; no e", "changed": [1], "dropped": [3],
    "score": 4.5,
}  # fmt: skip


def mark(accuracy: float) -> dict[str, Any]:
    return {
        "accuracy": accuracy, "constraint_accuracy": min(1, accuracy + 0.35),
        "by_count": {"9": accuracy, "10": accuracy / 2}, "by_kind": {"sorted": accuracy, "no_e": 0.9},
    }  # fmt: skip


def study(arms: tuple[str, ...], lift: float) -> dict[str, Any]:
    def model(of: float) -> dict[str, Any]:
        shares = {"constraints": 0.5, "separators": 0.2, "response": 0.3}
        found = {"shares": shares, "lift_by_kind": {"sorted": of, "end": 0.5}, "lift_writing_the_word": of,
                 "lift_writing_another": None}  # fmt: skip
        return {"same": found, "own": found | {"lift_met": of, "lift_missed": 0.7}}

    rows = [[0.5, 0.1], [0.25, 0.0], [0.1, 0.2]]
    example = {"constraints": ["start <dog>", "no e"], "response": ["dog", "-", "<end>"]}
    return {
        "instructions": 48,
        "models": {"base": model(1.0), **{arm: model(lift) for arm in arms}},
        "examples": [{**example, "models": {name: rows for name in ("base", *arms)}}],
    }


def make_arms(
    path: Path, arms: tuple[str, ...] = ("rlvr", "fraction", "hir", "retarget"), seed: int = 0, shift: float = 0.0,
    constraints: str = "9-10", until: int = 4, lift: float = 2.0, **settings: Any,
) -> Path:  # fmt: skip
    """A run of 4 steps of 100 rollouts, evaluated before, in the middle and at the end; done when `until` is 4."""
    path.mkdir(parents=True)
    config = {
        "kind": "lm", "version": "0", "arms": ",".join(arms), "constraints": constraints, "rollouts": 400,
        "seed": seed, "out": str(path), "dependent": 0.0, "test": 200, "update": {"learning_rate": None},
        "replay": {"strategy": None, "start": 2.0}, "machine": {"processor": "Test CPU", "cores": 2, "memory_gib": 8},
    } | settings  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    for arm in arms:
        folder, level = path / "arms" / arm, LEVELS[arm] + shift
        folder.mkdir(parents=True)
        replays = 0 if arm in ("rlvr", "fraction") else 40
        metrics = [
            {
                "step": i, "rollouts": 100 * i, "success": level * i / 4, "fraction": 0.5, "no_signal": 1 - level,
                "entropy": 2.0 / i, "replays": replays, "candidates": 2 * replays, "lambda": 2.1 * i if replays else 0,
                "integrity": 0.8, "diversity": 1.0, "kept": 0.9, "rejected": {"nothing <left>": 1} if replays else {},
                "rows": (100 + replays) * i, "updates": 2 * i, "skipped": 0, "too_long": 3, "seconds": 2.0 * i,
                "cpu_seconds": float(i),
            }
            for i in range(1, until + 1)
        ]  # fmt: skip
        evals = [
            {"step": i, "rollouts": 100 * i, "sampled": mark(round(0.01 + level * i / 4, 4)), "greedy": mark(level),
             "rows": 0, "seconds": 2.0 * i, "cpu_seconds": float(i)}
            for i in (0, 2, 4) if i <= until
        ]  # fmt: skip
        for name, rows in (("metrics", metrics), ("evals", evals), ("rewrites", [REWRITE] if replays else [])):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        if until == 4:
            summary = {
                "about": f"what {arm} does", "rollouts": 400, "rows": 4 * (100 + replays), "replays": 4 * replays,
                "updates": 8, "skipped": 0, "too_long": 3, "seconds": 8.0, "cpu_seconds": 4.0, "area": level / 2,
                "settings": {"learning_rate": config["update"]["learning_rate"] or 1e-3,
                             "strategy": "random" if "random" in arm else "curriculum"},
            }  # fmt: skip
            (folder / "summary.json").write_text(json.dumps(summary))
    if until == 4:
        (path / "attention.json").write_text(json.dumps(study(arms, lift)))
    return path


def arms_of(*folders: Path) -> list[ArmRun]:
    return [run for folder in folders for run in read(folder) if isinstance(run, ArmRun)]


def test_one_run_shows_every_section_without_asking_anyone(tmp_path: Path) -> None:
    page = write_report([make_arms(tmp_path / "run")], tmp_path / "report.html").read_text("utf-8")
    text = shown(page)
    for part in (
        "4 arms on 9–10 constraints", "seed 0", "Test CPU, 2 cores, 8 GiB",
        "retarget 0.610 0.541–0.675 0.600", "before 0.010 0.003–0.036",  # Wilson: 122 and 2 of 200
        "groups with no signal", "log₁₀ λ λ from 2.1 to 8.4", "nothing <left> 4", "By kind of constraint",
        "no_e 0.90 0.90 0.90",
        "9 constraints 0.01 0.11 0.31 0.51 0.61", "10 constraints 0.01 0.06 0.15 0.26 0.30",
        "at 200 rollouts, 2 of 4 met, score 4.50", "- dog - <star>", "replayed under sorted ; 2 words ; no e",
        "48 test instructions", "writing the word", "before 1.00 – 1.00 0.70", "retarget 2.00 – 2.00 0.70",
        "start <dog> no e dog 50 10 - 25 0 end 10 20", "fraction 400 400 0 8 0 3 4 s 8 s 400",
        "retarget 400 560 160 8 0 3 4 s 8 s 200", "rlvr 400 400 0 8 0 3 4 s 8 s not reached", "what hir does 0.001",
        "Every accuracy is judged by checks",
    ):  # fmt: skip
        assert part in text, part
    assert Page(page).addresses == [] and "http" not in page and "url(" not in page
    assert "never by the semantic reward" not in text and "Not complete" not in text and "nan" not in text.lower()
    for anchor in re.findall(r'<a href="#([^"]+)"', page):
        assert f'id="{anchor}"' in page


def test_constraints_of_a_rewrite_are_marked() -> None:
    assert parts(REWRITE) == [
        ("kept", "sorted", ""), ("changed", "4 words", "2 words"), ("kept", "no e", ""), ("dropped", "end moon", ""),
    ]  # fmt: skip
    closed = {"prompt": "2 bullets ; bullet 1 dog", "verdict": [False, True], "dropped": [0, 1], "changed": []}
    assert parts({**closed, "prompt": closed["prompt"] + " ; no e", "verdict": [0, 1, 1], "rewritten": "no e"}) == [
        ("dropped", "2 bullets", ""), ("without", "bullet 1 dog", ""), ("kept", "no e", ""),
    ]  # fmt: skip
    keep = {"prompt": "no e ; sorted", "verdict": [True, False], "rewritten": "no e ; sorted"}
    assert parts({**keep, "dropped": [], "changed": []}) == [("kept", "no e", ""), ("stands", "sorted", "")]
    assert parts({**REWRITE, "prompt": "Write a poem. No commas."}) is None


def test_rewrites_of_another_layout_are_shown_whole(tmp_path: Path) -> None:
    run = make_arms(tmp_path / "run", ("hir",))
    row = {**REWRITE, "prompt": "Write <b>a poem. No commas."}
    (run / "arms/hir/rewrites.jsonl").write_text(json.dumps(row) + "\n")
    assert "Write <b>a poem. No commas. ✓ ✗ ✓ ✗ - dog" in shown(render(arms_of(run)))


def test_seeds_are_averaged_settings_and_numbers_of_constraints_are_not(tmp_path: Path) -> None:
    folders = [make_arms(tmp_path / f"s{s}", seed=s, shift=0.1 * s, lift=2.0 + s) for s in range(3)]
    folders.append(make_arms(tmp_path / "fast", ("hir",), update={"learning_rate": 0.5}))
    folders.append(make_arms(tmp_path / "few", ("hir",), constraints="3-6", shift=0.4))
    runs = arms_of(*folders)
    few, many = arm_chapters(runs)
    assert [g.label for g in few.groups] == ["hir"] and few.title == "3–6 constraints"
    names = ["rlvr", "fraction", "hir (update.learning_rate 0.001)", "hir (update.learning_rate 0.5)", "retarget"]
    assert [g.label for g in many.groups] == names and [g.colour for g in many.groups] == [0, 1, 2, 3, 4]
    assert [len(g.runs) for g in many.groups] == [3, 3, 3, 1, 3] and len(many.before.runs) == 3
    line = averaged(many.groups[0], evaluated("sampled", "accuracy"))
    assert line.x.tolist() == [0, 200, 400] and line.y.tolist() == pytest.approx([0.01, 0.11, 0.21])
    assert line.low is not None and line.low[-1] == pytest.approx(0.11)
    page = render(runs)
    text = shown(page)
    assert "retarget 0.710 0.610–0.810" in text and "5 runs" in text
    assert "retarget 3.00 2.000–4.000" in text  # lift over three seeds
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_an_arm_that_is_not_done_belongs_to_its_seeds(tmp_path: Path) -> None:
    folders = [make_arms(tmp_path / "a"), make_arms(tmp_path / "b", seed=1, until=2)]
    (folders[1] / "arms/hir/metrics.jsonl").open("a").write('{"step": 3, "ro')  # cut off by a kill
    for file in (folders[1] / "arms/retarget").iterdir():
        file.unlink()
    (chapter,) = arm_chapters(arms_of(*folders))
    assert [(g.label, len(g.runs)) for g in chapter.groups] == [(n, 2) for n in ("rlvr", "fraction", "hir", "retarget")]
    text = shown(render(arms_of(*folders)))
    assert "hir, seed 1 : 200 of 400 rollouts; in progress, or given up" in text
    assert "retarget, seed 1 : not begun" in text and "1 of 2" in text
    time = averaged(chapter.groups[2], evaluated("sampled", "accuracy", "cpu_seconds"), common=True)
    assert time.x.tolist() == [0, 2]  # as far as both seeds have come
    alone = shown(render(arms_of(folders[1])))
    assert "in progress" in alone and "Attention to the constraints" not in alone
    for name in ("metrics", "evals", "rewrites"):
        for arm in ("rlvr", "fraction", "hir"):
            (folders[1] / "arms" / arm / f"{name}.jsonl").unlink()
    assert shown(render(arms_of(folders[1]))).count("not begun") >= 4


def test_selection_shows_the_curriculum_only_where_there_is_one(tmp_path: Path) -> None:
    text = shown(render(arms_of(make_arms(tmp_path / "a", ("rlvr", "hir-random")))))
    assert "replays of a step" in text and "log₁₀ λ" not in text
    assert "What was selected" not in shown(render(arms_of(make_arms(tmp_path / "b", ("rlvr", "fraction")))))


def test_both_learners_on_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent, arms = make_run(tmp_path / "agent"), make_arms(tmp_path / "lm")
    out = tmp_path / "both.html"
    assert hindsight(["report", str(agent), str(arms), "--out", str(out)]) == 0
    page = out.read_text("utf-8")
    text = shown(page)
    for part in ("oir in classic-32; 4 arms on 9–10 constraints", "The sandbox: 9–10 constraints", "collect wood",
                 "never by the semantic reward", "judged by checks", "sandbox, 9–10 constraints"):  # fmt: skip
        assert part in text, part
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) and {"w0", "w1", "w0-learning", "w1-curves"} <= set(ids)
    assert hindsight(["report", str(arms)]) == 0 and (arms / "report.html").exists()


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    run = make_arms(tmp_path / "run", ("hir",))
    file = run / "arms/hir/metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[0] |= {"loss": None, "entropy": float("nan"), "lambda": None, "rejected": None, "replays": None, "kept": None}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "nan" not in shown(render(arms_of(run))).lower()


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", '{"kind": "lm", "constraints": "7", "seed": 1}', "'arms' is missing"),
        ("config.json", '{"kind": "lm", "arms": ",", "constraints": "7", "seed": 1}', "'arms' names none"),
        ("config.json", '{"kind": "lm", "arms": "hir", "constraints": "7", "seed": 1, "replay": 3}', "'replay' is no"),
        ("arms/hir/metrics.jsonl", '{"step": 1, "rollouts": 2}\n{oops}\n', "metrics.jsonl, line 2: not JSON"),
        ("arms/hir/metrics.jsonl", '{"step": 1}\n', "metrics.jsonl, line 1: 'rollouts' is no number"),
        ("arms/hir/metrics.jsonl", b"\xff\xfe\x00", "metrics.jsonl: cannot be read"),
        ("arms/hir/evals.jsonl", '{"step": 0, "rollouts": 0, "sampled": {}}\n', "line 1: 'sampled' has no accuracy"),
        ("arms/hir/evals.jsonl", "[1]\n", "evals.jsonl, line 1: no object with a 'step'"),
        ("arms/hir/rewrites.jsonl", '{"step": 1, "prompt": "x"}\n', "line 1: 'response' is missing"),
        ("arms/hir/rewrites.jsonl", json.dumps({**REWRITE, "verdict": 1}) + "\n", "line 1: 'verdict' is no list"),
        ("arms/hir/rewrites.jsonl", json.dumps({**REWRITE, "dropped": [[]]}) + "\n", "'dropped' is no list of numbers"),
        ("arms/hir/summary.json", '{"settings": 1}', "summary.json: 'settings' is no object"),
        ("arms/hir/summary.json", "{", "summary.json, line 1: not JSON"),
        ("attention.json", "[]", "attention.json, line 1: not a JSON object"),
        ("attention.json", '{"models": {"base": {"same": {}, "own": {}}}, "examples": []}', "'base' lacks shares"),
        ("attention.json", '{"models": {}}', "not what a study of attention writes ('examples')"),
        (
            "attention.json",
            '{"models": {}, "examples": [{"constraints": ["x"], "response": ["y"], "models": {"hir": [[1, 2]]}}]}',
            "an example of 'hir' is not 1 × 1",
        ),
    ],
)
def test_damaged_files_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: str | bytes, said: str
) -> None:
    run = make_arms(tmp_path / "run", ("rlvr", "hir"))
    (run / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert hindsight(["report", str(run)]) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1
    assert not (run / "report.html").exists()
