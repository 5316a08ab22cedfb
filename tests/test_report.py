"""The report page from made-up run folders: what is averaged, what is shown, what is rejected."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from hindsight_rl.cli import main as hindsight
from hindsight_rl.errors import HindsightError
from hindsight_rl.report.curves import averaged, held, success_of
from hindsight_rl.report.page import render, write_report
from hindsight_rl.report.rates import Cell
from hindsight_rl.report.runs import chapters, read_run
from hindsight_rl.report.tables import short

EVENTS = ("collect_wood", "place_table", "make_iron_sword")
TEXTS = {"collect_wood": "collect wood", "place_table": "place a table", "make_iron_sword": "make an iron sword"}


def question(text, event, success, trials=20, goals=None):
    return {
        "text": text, "event": event, "goals": goals or [event], "ordered": bool(goals), "trials": trials,
        "successes": round(success * trials), "success": success, "mean_steps": 9.5,
    }  # fmt: skip


def evaluation(level):
    rates = {"collect_wood": level, "place_table": level / 2, "make_iron_sword": 0.0}
    return {
        "horizon": 200,
        "canonical": [question(TEXTS[e], e, rates[e]) for e in EVENTS],
        "paraphrased": [question(f"{TEXTS[e]} {w}", e, rates[e] * 0.9) for e in EVENTS for w in ("now", "please")],
        "composed": [question("collect wood, then place a table", None, level / 3, goals=list(EVENTS[:2]))],
        "others": [question("hit a cow", "hit_cow", level)],
        "about": "a world of 32 x 32 cells",
        "held_out": [question("take the red one", "take_red", level / 2)],
        "achievements_per_trial": 2.5,
        "forgetting": [{"event": e, "best": min(1, rates[e] + 0.3), "final": rates[e]} for e in EVENTS],
        "prerequisites": {"placed <a> table": ["collected wood from a tree"]},
        "reward": {"canonical": {"precision": 0.98, "recall": 1.0}, "heldout": {"precision": 0.961, "recall": 0.872}},
    }  # fmt: skip


def make_run(path, method="oir", seed=0, world="classic-32", level=0.8, done=True, **settings):
    path.mkdir(parents=True)
    config = {"kind": "agent", "version": "0", "method": method, "env": world, "seed": seed, "total_timesteps": 1000,
              "out": str(path),
              "learning_rate": 1e-3, "reward_mode": "calibrated", "encoder": "default", "acting": {"patience": 128},
              "machine": {"processor": "Test CPU", "cores": 2, "memory_gib": 8}} | settings  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    rows = []
    for i, step in enumerate(range(100, 1001 if done else 501, 100)):
        slots = [{"text": "collect wood", "status": "new" if i < 3 else "mastered", "mean_return": 0.5, "attempts": 9}]
        row = {"step": step, "loss": 0.1, "success_of_given": 0.5, "events": {"collect_wood": 3, "die": i},
               "slots": slots,
               "given": {"initial": 70, "slots": 3, "rehearsal": 0, "new_event": 20, "repeated_event": 7},
               "known_goals": 5 + i, "unique_instructions": 10 + i, "clusters": 4, "accepted": 7, "rejected": 1,
               "seconds": {"train": float(i), "relabel": 0.1, "evaluate": 1.0}}  # fmt: skip
        if i % 2:
            row["success"] = {e: level * step / 1000 for e in EVENTS}
        rows.append(row)
    (path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    relabels = [
        {"step": 100, "text": "chop <b>wood</b>", "evidence": [[3, "collect_wood"]], "rejected": None},
        {"step": 200, "text": "stop sleeping", "evidence": [[9, "wake_up"]], "rejected": "the reward does not fire"},
    ]
    (path / "relabels.jsonl").write_text("".join(json.dumps(r) + "\n" for r in relabels))
    decisions = [
        {"step": 100, "update": 1, "what": "admit", "text": "collect wood", "mean_return": 0.0, "status": "new"},
        {"step": 400, "update": 4, "what": "status", "text": "collect wood", "status": "mastered", "was": "new"},
        {"step": 400, "update": 4, "what": "status", "text": "not held", "status": "failing", "was": "new"},
        {"step": 700, "update": 7, "what": "evict", "text": "collect wood", "status": "mastered"},
    ]
    (path / "buffer.jsonl").write_text("".join(json.dumps(r) + "\n" for r in decisions))
    if done:
        (path / "eval.json").write_text(json.dumps(evaluation(level)))
    return path


class Page(HTMLParser):
    """Collects text and checks that every element is closed."""

    VOID = frozenset(("meta", "br"))

    def __init__(self, page):
        super().__init__()
        self.open, self.text, self.addresses = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.addresses += [v for k, v in attrs if k in ("src", "href") and not v.startswith("#")]
        assert tag not in ("script", "b>")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def shown(page):
    return " ".join(" ".join(Page(page).text).split())


def test_one_run_shows_every_section_without_asking_anyone(tmp_path):
    out = write_report([make_run(tmp_path / "run")], tmp_path / "report.html")
    page = out.read_text("utf-8")
    text = shown(page)
    for part in ("oir in classic-32", "a world of 32 x 32 cells", "take the red one",
                 "Held-out events", "held-out events", "0.400", "3 instructions × 20 trials",
                 "16/20", "hit a cow", "Paraphrases ÷ plain sentences: oir 0.90",
                 "Plain sentences : one for each event", "collect wood, then place a table",
                 "70 accepted, 10 rejected (12.5%)", "the reward does not fire", "9 · wake up", "0.961", "0.872",
                 "Where instructions came from", "oir 70.0 % 3.0 % 0.0 % 20.0 % 7.0 % 1,000",
                 "Test CPU, 2 cores, 8 GiB", "acting.patience",
                 "placed <a> table collected wood from a tree", "became mastered", "unique instructions"):  # fmt: skip
        assert part in text, part
    assert Page(page).addresses == [] and "http" not in page and "url(" not in page
    assert "chop &lt;b&gt;wood&lt;/b&gt;" in page and "<b>wood" not in page
    assert len(page) < 2_000_000 and "Not complete" not in text


def test_seeds_are_averaged_settings_and_worlds_are_not(tmp_path):
    runs = [make_run(tmp_path / f"a{s}", seed=s, level=0.6 + 0.1 * s) for s in range(3)]
    runs += [make_run(tmp_path / "b", seed=0, learning_rate=0.5), make_run(tmp_path / "n", "none", level=0.2)]
    runs += [make_run(tmp_path / "w", world="classic", level=1.0)]
    small, full = sorted(chapters([read_run(r) for r in runs]), key=lambda c: c.world != "classic-32")
    assert [(g.label, len(g.runs)) for g in small.groups] == [
        ("oir (learning_rate 0.001)", 3), ("oir (learning_rate 0.5)", 1), ("none", 1),
    ]  # fmt: skip
    assert [g.label for g in full.groups] == ["oir"] and full.runs[0].name == "w"
    assert small.groups[0].means("canonical") == pytest.approx([0.3, 0.35, 0.4])
    page = render([read_run(r) for r in runs])
    text = shown(page)
    assert "0.350 0.300–0.400" in text and text.count("a world of 32 x 32 cells.") == 2
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_curves_average_seeds_as_far_as_they_have_come(tmp_path):
    runs = [make_run(tmp_path / "a", level=1.0), make_run(tmp_path / "b", seed=1, level=0.5, done=False)]
    (group,) = chapters([read_run(r) for r in runs])[0].groups
    line = averaged(group, success_of("collect_wood"))
    assert line.x.tolist() == [200, 400, 600, 800, 1000]
    assert line.y.tolist() == pytest.approx([0.15, 0.3, 0.6, 0.8, 1.0])
    assert line.low.tolist() == pytest.approx([0.1, 0.2, 0.6, 0.8, 1.0])


def test_slots_are_held_from_admission_to_eviction(tmp_path):
    run = read_run(make_run(tmp_path / "run"))
    assert held(run, 1000.0) == {"collect wood": [(100, 400, "new"), (400, 700, "mastered")]}
    run.decisions.pop()
    assert held(run, 1000.0)["collect wood"][-1] == (400, 1000, "mastered")


def test_unfinished_and_bare_runs_are_shown_and_said_to_be(tmp_path):
    half = make_run(tmp_path / "half", done=False)
    with (half / "metrics.jsonl").open("a") as file:
        file.write('{"step": 600, "lo')  # cut off by a kill
    text = shown(render([read_run(half)]))
    assert "in progress: 500 of 1,000 steps" in text and "latest evaluation during training" in text and "0.32" in text
    bare = make_run(tmp_path / "bare", "none")
    for name in ("metrics.jsonl", "relabels.jsonl", "buffer.jsonl", "eval.json"):
        (bare / name).unlink()
    assert "in progress: 0 of 1,000 steps" in shown(render([read_run(bare)]))
    both = shown(render([read_run(half), read_run(bare)]))
    assert "oir" in both and "none" in both


def test_numbers_that_are_none_or_not_finite_are_left_out(tmp_path):
    run = make_run(tmp_path / "run")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows[0] |= {"loss": float("nan"), "success_of_given": None, "seconds": None, "slots": None, "events": None}
    rows[3]["success"] = {"collect_wood": None}
    (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    page = render([read_run(run)])
    assert "nan" not in shown(page).lower().replace("maintenance", "") and "NaN" not in page


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", "{", "config.json, line 1: not JSON"),
        ("config.json", "[]", "config.json, line 1: not a JSON object"),
        ("config.json", '{"kind": "scores"}', "a run of kind 'scores'"),
        ("config.json", '{"kind": "agent", "env": "classic"}', "'method' is missing"),
        ("metrics.jsonl", '{"step": 1}\n{oops}\n', "metrics.jsonl, line 2: not JSON"),
        ("metrics.jsonl", '{"step": 1}\n[3]\n', "metrics.jsonl, line 2: no object with a 'step'"),
        ("relabels.jsonl", '{"step": 1}\n', "relabels.jsonl, line 1: 'text' is missing"),
        ("buffer.jsonl", '{"step": 1, "text": "x"}\n', "buffer.jsonl, line 1: 'what' is missing"),
        ("eval.json", '{"canonical": [{"text": "x"}]}', "entry 1 of 'canonical' lacks"),
        ("eval.json", '{"canonical": 3}', "'canonical' is no list"),
        ("eval.json", '{"forgetting": [1]}', "'forgetting'"),
        ("eval.json", '{"prerequisites": {"a": 1}}', "'prerequisites'"),
        ("metrics.jsonl", b"\xff\xfe\x00", "metrics.jsonl: cannot be read"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, capsys, file, content, said):
    run = make_run(tmp_path / "run")
    (run / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert hindsight(["report", str(run)]) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1
    assert not (run / "report.html").exists()


def test_foreign_folders_are_refused(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "absent"):
        assert hindsight(["report", str(path)]) == 2
        assert "no run folder" in capsys.readouterr().err
    with pytest.raises(HindsightError, match="no run to report on"):
        write_report([], tmp_path / "x.html")
    with pytest.raises(HindsightError, match="cannot write"):
        write_report([make_run(tmp_path / "run")], tmp_path / "run" / "config.json" / "x.html")


def test_command_chooses_where_the_page_goes(tmp_path, capsys, monkeypatch):
    one, two = make_run(tmp_path / "one"), make_run(tmp_path / "two", seed=1)
    monkeypatch.chdir(tmp_path)
    assert hindsight(["report", str(one)]) == 0 and (one / "report.html").exists()
    assert hindsight(["report", str(one), str(two), str(one)]) == 0
    assert "2 runs" in (tmp_path / "report.html").read_text("utf-8")  # a folder named twice counts once
    assert hindsight(["report", str(two), "--out", "sub/x.html"]) == 0 and (tmp_path / "sub" / "x.html").exists()


def test_many_groups_and_long_names_stay_small(tmp_path):
    runs = [make_run(tmp_path / f"{m}{s}", m, s) for m in ("oir", "none", "her", "game") for s in range(3)]
    page = render([read_run(r) for r in runs])
    Page(page)
    assert len(page) < 500_000


def test_report_imports_nothing_heavy():
    code = (
        "import sys, hindsight_rl.report.page\n"
        "heavy = {'jax', 'torch', 'craftax', 'matplotlib', 'hindsight_rl.agent'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_spread_and_short_numbers():
    low, high = Cell([0.5], 5, 10).spread
    assert (round(low, 3), round(high, 3)) == (0.237, 0.763)
    assert Cell([0.1, 0.4], 5, 20).spread == (0.1, 0.4) and Cell([0.5]).spread == (0.5, 0.5)
    assert [short(v) for v in (0, 0.25, 1500, 1.5e6)] == ["0", "0.25", "1.5k", "1.5M"]


def test_an_evaluation_of_an_earlier_step_is_not_that_of_a_run_that_went_on(tmp_path):
    path = make_run(tmp_path / "r")
    found = json.loads((path / "eval.json").read_text())
    assert read_run(path).state == "complete"
    (path / "eval.json").write_text(json.dumps(found | {"steps": 500}))
    assert read_run(path).state == "trained, not evaluated yet" and read_run(path).evaluation is None
