"""Human rating of relabels: the page and its key, answers and figures, and a browser that clicks through."""

import dataclasses
import itertools
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("statsmodels")
from scipy.stats import bootstrap as scipy_bootstrap
from statsmodels.stats.inter_rater import fleiss_kappa as published_kappa
from statsmodels.stats.proportion import proportion_confint

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.evaluation.rating.agreement import agreement, alpha, bootstrap, fleiss_kappa
from hindsight_rl.agent.evaluation.rating.answers import read_answers
from hindsight_rl.agent.evaluation.rating.make import make_page
from hindsight_rl.agent.evaluation.rating.proposals import Proposal
from hindsight_rl.agent.evaluation.rating.study import Item, Study
from hindsight_rl.agent.evaluation.rating.trajectories import Trajectory
from hindsight_rl.agent.evaluation.rating.truth import TrueEvents
from hindsight_rl.agent.relabeling.noise import NoiseRules
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.relabel_step import life_to_relabel
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.cli import main as hindsight
from hindsight_rl.encoder import load_encoder
from hindsight_rl.endpoint import EndpointSettings
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

GARDEN = Path(__file__).parents[1] / "examples" / "environment"


@pytest.fixture(scope="module", autouse=True)
def garden() -> Iterator[Any]:
    """The environment of the example, found as `garden:Garden`: it compiles in seconds."""
    sys.path.insert(0, str(GARDEN))
    import garden

    yield garden
    sys.path.remove(str(GARDEN))


def untrained(out: Path, noise: float) -> Path:
    """A run with a checkpoint of random parameters, whose agent does much by chance."""
    config = TrainConfig(
        env="garden:Garden", num_envs=32, num_worlds=64, width=32, depth=1, rank=8, noise=NoiseRules(rate=noise)
    )
    run = Run.create(out, dataclasses.asdict(config), kind="agent")
    training = TrainingRun(config.checked(), run)
    training.save(Checkpoints(run.path / "checkpoints"))
    return out


@pytest.fixture(scope="module")
def run(garden: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose relabeler is wrong in half of all cases."""
    return untrained(tmp_path_factory.mktemp("runs") / "wrong", 0.5)


@pytest.fixture(scope="module")
def folder(run: Path) -> Path:
    """The page of the run, with 40 items."""
    assert hindsight(["agent", "rate", str(run), "--steps", "60"]) == 0
    return run / "rating"


@pytest.fixture(scope="module")
def reward(garden: Any) -> SemanticReward:
    return SemanticReward.fit(load_encoder(), garden.Garden.events, garden.Garden.language)


def data_of(page: Path) -> dict[str, Any]:
    """The relabels and trajectories inside a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.S)
    assert found
    return json.loads(found[1])


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


# ---- the page and its key


@pytest.mark.agent
def test_half_of_the_relabels_are_rejected_ones_in_random_order(folder: Path) -> None:
    study = Study.read(folder)
    accepted = [item.rejected is None for item in study.items]
    assert len(study.items) == 40 and sum(accepted) == 20
    assert 5 < sum(a != b for a, b in itertools.pairwise(accepted)) < 35  # neither sorted nor in turns
    assert all((item.kind is None) == (item.rejected is None) for item in study.items)
    assert study.run["method"] == "oir" and study.run["noise"] == "0.5 hallucinated" and study.run["step"] == 0


def test_the_page_does_not_give_the_answer_away_and_loads_nothing(folder: Path) -> None:
    page, study = folder / "rate.html", Study.read(folder)
    data = data_of(page)
    assert [each["item"] for each in data["items"]] == [item.item for item in study.items]
    for each in data["items"]:
        assert set(each) == {"item", "text", "steps", "frames", "events"}
    text = page.read_text("utf-8")
    for item in study.items:
        assert not item.rejected or item.rejected not in text
    assert not re.search(r"https?:|src=\"(?!data:)|@import|url\(", text)
    assert "default-src 'none'" in text


def test_the_page_shows_what_happened(folder: Path) -> None:
    for each, item in zip(data_of(folder / "rate.html")["items"], Study.read(folder).items, strict=True):
        happened = Counter(name for _, name in item.happened)
        assert len(each["events"]) == len(happened)
        assert [event["step"] for event in each["events"]] == sorted(event["step"] for event in each["events"])
        steps = [frame["step"] for frame in each["frames"]]
        assert steps[0] == 0 and steps == sorted(set(steps)) and 2 <= len(steps) <= 12 and steps[-1] <= each["steps"]
        assert all(frame["picture"].startswith("data:image/png;base64,") for frame in each["frames"])
        said = {frame["step"]: frame["said"] for frame in each["frames"]}
        for event in each["events"]:  # five kinds of events, so each has its picture
            assert event["step"] not in said or event["text"] in said[event["step"]]


def test_what_grounding_says_is_what_true_events_say(folder: Path) -> None:
    study = Study.read(folder)
    said = {kind: Counter(x.true_events for x in study.items if (x.rejected is None) == kind) for kind in (True, False)}
    assert said[True] == {"yes": 20}
    assert not said[False]["yes"] and said[False]["no"] + said[False]["partly"] == 20
    rows = rows_of(folder / "true-events.jsonl")
    assert [row["verdict"] for row in rows] == [item.true_events for item in study.items]


def test_the_same_seed_makes_the_same_page_and_another_seed_another(run: Path, folder: Path, tmp_path: Path) -> None:
    made = [make_page(run, tmp_path / str(n), items=10, seed=seed, steps=60) for n, seed in enumerate((1, 1, 2))]
    assert made[0] == made[1] and made[0].study != made[2].study
    for name in ("rate.html", "key.json", "true-events.jsonl"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()
    assert {item.text for item in made[0].items} != {item.text for item in made[2].items}


def test_a_page_is_kept_because_answers_to_it_need_its_key(
    run: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert hindsight(["agent", "rate", str(run), "--steps", "60"]) == 0
    assert "page: " in capsys.readouterr().out
    assert hindsight(["agent", "rate", str(run), "--steps", "60", "--seed", "9"]) == 2
    said = capsys.readouterr().err
    assert "holds the page of other relabels" in said and "seed 0" in said and "another --out" in said
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_an_environment_without_pictures_has_a_page_without_pictures(garden: Any, run: Path, tmp_path: Path) -> None:
    class Dark(garden.Garden):
        render = Environment.render

    made = make_page(run, tmp_path / "rating", items=4, steps=60, env=Dark())
    data = data_of(tmp_path / "rating" / "rate.html")
    assert len(made.items) == 4 and all(not each["frames"] and each["events"] for each in data["items"])


def test_few_rejected_relabels_are_all_there_are(
    garden: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = untrained(tmp_path / "right", 0.0)
    assert hindsight(["agent", "rate", str(out), "--items", "6", "--steps", "60"]) == 0
    study = Study.read(out / "rating")
    assert study.proposed["trajectories"] == 24 and study.proposed["rejected"] == 0  # four tries per item, then it ends
    assert [item.rejected for item in study.items] == [None] * 6
    assert "6 accepted by grounding and 0 rejected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--items", "0"], "--items 0: from 1 to 500"),
        (["--steps", "5000"], "--steps 5000: from 1 to 1000"),
        (["--seed", "-1"], "--seed -1: 0 or more"),
        (["--json"], "--json: only with --agreement"),
    ],
)
def test_numbers_out_of_range_are_named(
    run: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hindsight(["agent", "rate", str(run), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_run_that_does_not_relabel_and_a_missing_run_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = TrainConfig(method="her", env="garden:Garden", out=str(tmp_path / "her"))
    Run.create(tmp_path / "her", dataclasses.asdict(config), kind="agent")
    assert hindsight(["agent", "rate", str(tmp_path / "her")]) == 2
    assert "--method her does not relabel, so there is nothing to rate: give a run of oir" in capsys.readouterr().err
    assert hindsight(["agent", "rate", str(tmp_path / "none")]) == 2
    assert "is no run folder" in capsys.readouterr().err


def answering(body: dict[str, Any]) -> str:
    """A language model that names one event of the list, one that did not happen, and says something unusable."""
    asked = body["messages"][0]["content"]
    step, caption = re.findall(r"^step (\d+): ([a-z ]+?)(?: \(again.*)?$", asked, re.MULTILINE)[0]
    words = {"took": "take", "opened": "open", "drank": "drink", "rang": "ring", "picked": "pick"}
    first, rest = caption.split(" ", 1)
    absent = next(text for text in ("open the chest", "ring the bell", "take the key") if text.split()[-1] not in asked)
    rows = [(f"{words[first]} {rest}", [int(step)]), (absent, [int(step)]), ("fly to the <b>moon</b>", [int(step)])]
    return json.dumps({"instructions": [{"instruction": text, "steps": steps} for text, steps in rows]})


def test_a_language_model_is_asked_about_new_trajectories(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    from chat_server import ChatServer

    copy = tmp_path / "llm"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("rating"))
    with ChatServer(answering) as server:
        endpoint = EndpointSettings(base_url=server.url, model="tiny", cache="none", attempts=1, deadline=5.0)
        config = json.loads((copy / "config.json").read_text("utf-8"))
        config |= {"relabeler": "llm", "endpoint": dataclasses.asdict(endpoint), "noise": {"rate": 0.0}}
        (copy / "config.json").write_text(json.dumps(config), "utf-8")
        # In 30 steps not everything happens, so the model can name something that did not.
        made = make_page(copy, items=12, steps=30)
    assert made.run["relabeler"] == "llm" and made.run["model"] == "tiny"
    kinds = Counter(item.kind for item in made.items)
    assert kinds[None] == 6 and kinds["evidence"] + kinds["form"] == 6 and kinds["form"]
    for item in made.items:
        if item.kind == "form":
            assert item.true_events is None  # it cannot tell what is asked for, so it does not answer
        else:
            assert item.true_events == ("yes" if item.kind is None else "no")
    assert "<b>moon" not in (copy / "rating" / "rate.html").read_text("utf-8")  # escaped
    with pytest.raises(HindsightError, match="language model is asked about new trajectories, but did not answer"):
        make_page(copy, tmp_path / "again", items=2, steps=12)


def test_of_several_lives_the_one_with_the_rarest_event_is_relabeled() -> None:
    events, over, wanted = np.zeros((9, 2), bool), np.zeros(9, bool), np.array([1.0, 5.0])
    over[[2, 5]] = True
    assert life_to_relabel(events, over, wanted) == slice(6, 9)  # nothing happened: the life that continues
    events[7, 0] = events[4, 1] = True
    assert life_to_relabel(events, over, wanted) == slice(3, 6)
    over[8] = True  # then no step of the next life is known
    assert life_to_relabel(events, over, wanted) == slice(3, 6)


def test_a_film_strip_has_the_first_and_last_state_and_what_was_new() -> None:
    events = np.zeros((50, 4), bool)
    events[[3, 9], 0] = events[20, 1] = events[20, 2] = True
    trajectory = Trajectory(events, dict.fromkeys([0, 4, 8, 16, 21, 24, 32, 40, 48, 50]))
    assert trajectory.frames(4) == [0, 4, 21, 50]
    assert trajectory.frames(3) == [0, 4, 50]
    assert set(trajectory.frames(6)) > {0, 4, 21, 50} and trajectory.frames(20) == sorted(trajectory.states)


@pytest.mark.parametrize(
    ("text", "goals", "ordered", "verdict"),
    [
        ("grab the key", ("grab the key",), False, "yes"),
        ("toll the bell", ("toll the bell",), False, "no"),  # a held-out phrasing
        ("grab the key and sound the bell", ("grab the key", "sound the bell"), False, "partly"),
        ("pick the flower and take the key", ("pick the flower", "take the key"), False, "yes"),
        ("pick the flower, then take the key", ("pick the flower", "take the key"), True, "partly"),
        ("take the key, then pick the flower", ("take the key", "pick the flower"), True, "yes"),
        ("take the key, then pick the flower", (), False, "yes"),  # read by its text alone
        ("pick the flower, then take the key", (), False, "partly"),
        ("pick the flower 2 times", (), False, "yes"),
        ("pick the flower 3 times", (), False, "partly"),
        ("take the key, but do not pick the flower", (), False, "partly"),
        ("sing a song about the sea", (), False, None),
    ],
)
def test_true_events_say_yes_to_all_partly_to_some_and_no_to_none(
    reward: SemanticReward, text: str, goals: tuple[str, ...], ordered: bool, verdict: str | None
) -> None:
    events = np.zeros((30, 5), bool)
    events[4, 0] = events[9, 4] = events[12, 4] = True  # the key, then the flower twice
    assert TrueEvents(reward).verdict(Proposal(Trajectory(events, {}), text, goals, ordered)) == verdict


# ---- answers and figures


def study_of(accepted: int, rejected: int, kinds: tuple[str, ...] = ("evidence",)) -> Study:
    made = [Item(f"a{n}", f"text {n}", None, None, "yes", ()) for n in range(accepted)]
    made += [Item(f"r{n}", f"text {n}", "why", kinds[n % len(kinds)], "no", ()) for n in range(rejected)]
    return Study("abc", {}, {}, {}, tuple(made))


@pytest.mark.parametrize("seed", range(6))
def test_kappa_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(2 + seed, rng.dirichlet([1, 1, 1], 30))
    assert fleiss_kappa(counts) == pytest.approx(float(published_kappa(counts, method="fleiss")), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_alpha_of_two_verdicts_follows_from_the_kappa_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raters = 2 + seed
    counts = rng.multinomial(raters, rng.dirichlet([1, 1], 30))
    # With two verdicts, order does not matter. Alpha corrects chance for the finite number of answers n.
    n = counts.sum()
    expected = 1 - (1 - float(published_kappa(counts, method="fleiss"))) * (n - 1) / n
    assert alpha(counts) == pytest.approx(expected, abs=1e-12)
    with_a_gap = np.insert(counts, 1, 0, axis=1)  # nobody said "partly"
    assert alpha(with_a_gap) == pytest.approx(expected, abs=1e-12)


def test_alpha_is_that_of_krippendorffs_example_with_missing_answers() -> None:
    rows = ["1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."]
    answers = [row.split() for row in rows]
    counts = np.array([[[row[u] for row in answers].count(str(v)) for v in range(1, 6)] for u in range(12)])
    assert alpha(counts) == pytest.approx(0.815, abs=5e-4)  # Krippendorff (2011), ordinal


def test_alpha_knows_that_no_and_yes_are_farther_apart_than_partly_and_yes() -> None:
    base = np.array([[2, 0, 0], [0, 2, 0], [0, 0, 2]] * 6)
    near, far = np.concatenate([base, [[0, 1, 1]] * 4]), np.concatenate([base, [[1, 0, 1]] * 4])
    assert alpha(near) > alpha(far) + 0.1
    assert fleiss_kappa(near) == pytest.approx(fleiss_kappa(far))
    assert alpha(base) == fleiss_kappa(base) == 1


@pytest.mark.parametrize("figure", [alpha, fleiss_kappa])
def test_intervals_are_those_of_scipy(figure: Callable[[np.ndarray], float | None]) -> None:
    counts = np.random.default_rng(3).multinomial(3, [0.5, 0.2, 0.3], 40)
    counts[:20] = [0, 0, 3]
    low, high = bootstrap(figure, counts)
    found = scipy_bootstrap(
        (np.arange(40),), lambda rows: figure(counts[rows]), n_resamples=2000, vectorized=False, method="percentile",
        random_state=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert low == pytest.approx(found.low, abs=0.03) and high == pytest.approx(found.high, abs=0.03)
    assert low < figure(counts) < high and bootstrap(figure, counts) == (low, high)
    wide = bootstrap(figure, counts[::4])
    assert wide[1] - wide[0] > high - low


@pytest.mark.parametrize("figure", [alpha, fleiss_kappa])
def test_no_agreement_is_claimed_where_it_is_not_defined(figure: Callable[[np.ndarray], float | None]) -> None:
    assert figure(np.array([[0, 0, 2]] * 9)) is None  # one verdict only
    assert figure(np.zeros((0, 3), int)) is None


def test_shares_of_valid_relabels_are_those_of_the_items() -> None:
    study = study_of(20, 10, ("evidence", "form"))
    ann = (
        {f"a{n}": "yes" if n < 18 else "partly" for n in range(20)} | {f"r{n}": "no" for n in range(9)} | {"r9": "yes"}
    )
    found = agreement(study, {"Ann": ann})
    low, high = proportion_confint(18, 20, method="wilson")
    assert found["accepted"]["yes"]["value"] == 0.9
    assert found["accepted"]["yes"]["interval"] == pytest.approx([low, high])
    assert found["accepted"]["yes_or_partly"]["value"] == 1
    assert found["rejected"]["yes"]["value"] == 0.1 and found["rejected"]["items"] == 10
    assert found["rejected"]["by_kind"]["form"]["yes"]["value"] == 0.2
    assert found["rejected"]["by_kind"]["evidence"]["yes"]["value"] == 0
    assert found["annotators"]["Ann"] == {
        "rated": 30, "yes": 19, "partly": 2, "no": 9, "as_true_events": 27, "with_true_events": 30,
    }  # fmt: skip
    # A second annotator who rates some items only: an item counts once, by the share of its annotators.
    ben = {"a0": "no", "a1": "yes"}
    both = agreement(study, {"Ann": ann, "Ben": ben})
    assert both["accepted"]["yes"]["value"] == pytest.approx(17.5 / 20)
    assert both["alpha"]["items"] == both["kappa"]["items"] == 2


def test_the_figures_of_one_annotator_are_printed(run: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "true-events.jsonl"
    assert hindsight(["agent", "rate", str(run), "--agreement", str(file)]) == 0
    said = capsys.readouterr().out
    assert "40 relabels, 20 accepted by grounding and 20 rejected" in said
    assert "alpha (ordinal): none, because no item was rated by two annotators" in said
    assert re.search(r"^accepted +20  1\.00 \(0\.84 to 1\.00\)", said, re.M)
    assert re.search(r"^true-events +40 .* 40 of 40$", said, re.M)
    assert hindsight(["agent", "rate", str(run), "--agreement", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accepted"]["yes"]["value"] == 1


def test_several_files_of_several_annotators_are_one_table(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(folder / "true-events.jsonl")
    for name, part in (("ann-1", rows[:25]), ("ann-2", rows[20:])):  # five answers are in both
        text = "".join(json.dumps({**row, "annotator": "Ann"}) + "\n" for row in part)
        (tmp_path / f"{name}.jsonl").write_text(text, "utf-8")
    other = [{**row, "annotator": "Ben", "verdict": "no" if n < 4 else row["verdict"]} for n, row in enumerate(rows)]
    (tmp_path / "ben.jsonl").write_text("\n\n".join(map(json.dumps, other)), "utf-8-sig")
    files = [str(tmp_path / f"{name}.jsonl") for name in ("ann-1", "ann-2", "ben")]
    assert hindsight(["agent", "rate", str(run), "--agreement", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found["annotators"][name]["rated"] for name in ("Ann", "Ben")] == [40, 40]
    assert 0.5 < found["kappa"]["value"] < 1 and found["alpha"]["items"] == 40
    low, high = found["alpha"]["interval"]
    assert low < found["alpha"]["value"] < high <= 1


def changed(row: dict[str, Any], **changes: Any) -> str:
    return json.dumps({key: value for key, value in {**row, **changes}.items() if value is not None})


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (lambda row: "{", r"ann.jsonl, line 2: not JSON"),
        (lambda row: "[]", r"ann.jsonl, line 2: not a JSON object"),
        (lambda row: changed(row, verdict=None), r"line 2, key 'verdict': it is missing"),
        (lambda row: changed(row, annotator=7), r"line 2, key 'annotator': it is 7, but must be a text"),
        (lambda row: changed(row, annotator=" "), r"line 2, key 'annotator': it is \" \""),
        (
            lambda row: changed(row, verdict="maybe"),
            r"line 2, key 'verdict': 'maybe' is unknown: one of yes, partly, no",
        ),
        (lambda row: changed(row, study="ffff"), r"line 2, key 'study': 'ffff' is another page; .*rate.html is '\w+'"),
        (lambda row: changed(row, item="ffff"), r"line 2, key 'item': 'ffff' is no item of"),
    ],
)
def test_a_bad_line_is_named(folder: Path, tmp_path: Path, second: Callable[[dict[str, Any]], str], said: str) -> None:
    first, row = rows_of(folder / "true-events.jsonl")[:2]
    (tmp_path / "ann.jsonl").write_text(f"{json.dumps(first)}\n{second(row)}\n", "utf-8")
    with pytest.raises(HindsightError, match=said):
        read_answers([tmp_path / "ann.jsonl"], Study.read(folder), folder)


def test_two_verdicts_of_one_annotator_and_files_without_answers_are_named(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, row = Study.read(folder), rows_of(folder / "true-events.jsonl")[0]
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text(changed(row, verdict="yes"), "utf-8")
    two.write_text(changed(row, verdict="no"), "utf-8")
    with pytest.raises(HindsightError, match=r"two.jsonl, line 1.* says 'no'.*but 'yes' in .*one.jsonl, line 1: leave"):
        read_answers([one, two], study, folder)
    two.write_text("\n", "utf-8")
    with pytest.raises(HindsightError, match=r"two.jsonl holds no answers"):
        read_answers([two], study, folder)
    two.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HindsightError, match=r"cannot read .*two.jsonl"):
        read_answers([two], study, folder)
    with pytest.raises(HindsightError, match=r"cannot read .*gone.jsonl: No such file"):
        read_answers([tmp_path / "gone.jsonl"], study, folder)
    assert hindsight(["agent", "rate", str(run), "--out", str(tmp_path), "--agreement", str(one)]) == 2
    assert "key.json is missing: make the page first" in capsys.readouterr().err
    (tmp_path / "key.json").write_text('{"study": "x"}', "utf-8")
    assert hindsight(["agent", "rate", str(run), "--out", str(tmp_path), "--agreement", str(one)]) == 2
    assert "key.json is damaged or of another version" in capsys.readouterr().err


# ---- the page in a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium, without a window."""
    api = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if program is None:
        pytest.skip("no Chromium: install it to try the page")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


class Annotator:
    """Someone with a browser of their own at the page.

    Attributes:
        faults: errors and requests of the page; there must be none.
    """

    def __init__(self, chromium: Any, page: Path, width: int = 1200, storage: bool = True):
        self.context = chromium.new_context(
            viewport={"width": width, "height": 840}, accept_downloads=True, has_touch=width < 500
        )
        if not storage:
            self.context.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); }")
        self.file, self.faults = page, []
        self.page = self.tab()

    def tab(self) -> Any:
        """The page in a new tab."""
        tab = self.context.new_page()
        tab.set_default_timeout(10_000)
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("console", lambda message: self.faults.append(message.text))
        tab.on("request", lambda request: self.faults.append(request.url) if "http" in request.url[:5] else None)
        tab.goto(self.file.as_uri())
        return tab

    def start(self, name: str, tab: Any = None) -> None:
        tab = tab or self.page
        tab.fill("#name", name)
        tab.press("#name", "Enter")

    def count(self) -> str:
        return str(self.page.inner_text("#count"))

    def chosen(self) -> list[str]:
        return [each.get_attribute("data-verdict") for each in self.page.query_selector_all("[aria-pressed=true]")]

    def exported(self, out: Path) -> list[dict[str, Any]]:
        with self.page.expect_download() as download:
            self.page.click("#export")
        download.value.save_as(out)
        return rows_of(out)


@pytest.mark.slow
def test_forty_items_are_rated_with_the_keyboard_exported_and_measured(
    chromium: Any, run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, truth = Study.read(folder), {row["item"]: row["verdict"] for row in rows_of(folder / "true-events.jsonl")}
    ann = Annotator(chromium, folder / "rate.html")
    ann.start("  Ann   B. ")
    keys = ({"yes": "1", "partly": "2", "no": "3"}, {"yes": "y", "partly": "P", "no": "n"})
    for n, item in enumerate(study.items):
        assert ann.page.inner_text("#sentence") == item.text
        if n == 20:  # closed and opened again: everything is there
            ann.page.reload()
            assert "20 of 40" in ann.page.inner_text("#names")
            ann.page.click("text=Ann B.")
        assert ann.count() == f"Sentence {n + 1} of 40"
        if n == 10:  # a slip, gone back to and mended; then forward again
            ann.page.keyboard.press("ArrowLeft")
            assert ann.chosen() == [truth[study.items[9].item]]
            ann.page.keyboard.press("ArrowRight")
        ann.page.keyboard.press("Control+1")  # the browser's, not the page's
        ann.page.keyboard.press(keys[n % 2][truth[item.item]])
    assert "all 40 rated" in ann.page.inner_text("#pause-title")
    rows = ann.exported(tmp_path / "ann.jsonl")
    assert [(row["item"], row["verdict"], row["text"]) for row in rows] == [
        (item.item, truth[item.item], item.text) for item in study.items
    ]
    assert {(row["study"], row["annotator"]) for row in rows} == {(study.study, "Ann B.")}
    assert all(row["seconds"] >= 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", row["at"]) for row in rows)
    assert ann.page.input_value("#copy") == (tmp_path / "ann.jsonl").read_text("utf-8")
    assert ann.faults == []

    ben = Annotator(chromium, folder / "rate.html", width=390)  # a phone, other answers
    ben.start("Ben")
    assert ben.page.evaluate("document.documentElement.scrollWidth") == 390
    for n in range(40):
        ben.page.tap(f"[data-verdict={'partly' if n % 5 == 0 else truth[study.items[n].item]}]")
    assert len(ben.exported(tmp_path / "ben.jsonl")) == 40 and ben.faults == []
    files = [str(tmp_path / f"{name}.jsonl") for name in ("ann", "ben")]
    assert hindsight(["agent", "rate", str(run), "--agreement", *files]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^Ann B\. +40 .*40 of 40$", said, re.M)
    assert re.search(r"alpha \(ordinal\): 0\.[5-9]\d \(0\.\d\d to [01]\.\d\d\), 40 items", said)


def test_answers_move_to_another_browser_and_two_tabs_lose_none(chromium: Any, folder: Path, tmp_path: Path) -> None:
    here = Annotator(chromium, folder / "rate.html")
    here.start("Cleo")
    second = here.tab()
    here.start("Cleo", second)
    here.page.keyboard.press("1")
    second.keyboard.press("ArrowRight")
    second.keyboard.press("3")
    here.page.keyboard.press("ArrowRight")
    here.page.keyboard.press("2")
    here.page.click("#leave")
    # A browser passes what one tab stores on to the other with a delay; the summary follows.
    here.page.wait_for_selector("text=37 left, Cleo")
    rows = here.exported(tmp_path / "cleo.jsonl")
    assert [row["verdict"] for row in rows] == ["yes", "no", "partly"]

    there = Annotator(chromium, folder / "rate.html")
    there.start("Cleo")
    there.page.keyboard.press("2")  # newer than the answer in the file
    there.page.click("#leave")
    there.page.click("#other")
    there.page.click("text=Import answers")
    bad = tmp_path / "bad.jsonl"
    for changes, said in (
        ({"study": "ffff"}, 'bad.jsonl, line 2, key "study": this answer belongs to another page (ffff)'),
        ({"verdict": "maybe"}, 'bad.jsonl, line 2, key "verdict": "maybe" is none of yes, partly, no'),
        ({"item": "ffff"}, 'bad.jsonl, line 2, key "item": this page has no sentence ffff'),
    ):
        bad.write_text(f"{json.dumps(rows[0])}\n{changed(rows[1], **changes)}\n", "utf-8")
        there.page.set_input_files("#import", bad)
        there.page.wait_for_function("said => document.getElementById('imported').textContent.includes(said)", arg=said)
    there.page.set_input_files("#import", tmp_path / "cleo.jsonl")
    there.page.wait_for_selector("text=Imported: 3 of Cleo")
    there.page.click("#names button")
    assert there.count() == "Sentence 4 of 40"
    there.page.click("#leave")
    assert [row["verdict"] for row in there.exported(tmp_path / "again.jsonl")] == ["partly", "no", "partly"]
    assert here.faults == there.faults == []


def test_a_tab_that_hears_of_the_other_late_undoes_none_of_its_answers(
    chromium: Any, folder: Path, tmp_path: Path
) -> None:
    late = Annotator(chromium, folder / "rate.html")
    late.start("Finn")
    # What the other tab stores from here on is not seen by this one.
    late.page.evaluate(
        "() => { const seen = { ...localStorage }, set = Storage.prototype.setItem;"
        " Storage.prototype.getItem = (key) => seen[key] ?? null;"
        " Storage.prototype.setItem = function (key, value) { seen[key] = value; set.call(this, key, value); }; }"
    )
    other = late.tab()
    late.start("Finn", other)
    other.keyboard.press("1")
    late.page.keyboard.press("ArrowRight")
    late.page.keyboard.press("3")
    other.wait_for_function("document.getElementById('progress').value === 2")
    other.reload()
    assert "2 of 40" in other.inner_text("#names")
    late.page.close()
    late.page = other
    other.click("text=Finn")
    other.click("#leave")
    assert [row["verdict"] for row in late.exported(tmp_path / "finn.jsonl")] == ["yes", "no"]
    assert late.faults == []


def test_a_browser_that_stores_nothing_says_so_and_exports_all(chromium: Any, folder: Path, tmp_path: Path) -> None:
    dora = Annotator(chromium, folder / "rate.html", storage=False)
    dora.start("Dora")
    assert dora.page.is_visible("#no-storage")
    for key in "123":
        dora.page.keyboard.press(key)
    dora.page.click("#leave")
    dora.page.click("#other")
    dora.start("Dora")  # the same name has its answers as long as the page is open
    assert dora.count() == "Sentence 4 of 40"
    dora.page.click("#leave")
    assert [row["verdict"] for row in dora.exported(tmp_path / "dora.jsonl")] == ["yes", "partly", "no"]


def test_the_page_can_be_used_without_seeing_it(chromium: Any, folder: Path) -> None:
    eve = Annotator(chromium, folder / "rate.html")
    eve.start("Eve")
    names = "e => [e.tagName, e.textContent.trim() || e.alt || e.getAttribute('aria-label') || e.title]"
    assert eve.page.evaluate("document.activeElement.id") == "sentence"  # what a screen reader reads first
    for element in eve.page.query_selector_all("button:visible, img:visible"):
        tag, name = element.evaluate(names)
        assert name, tag
    for element in eve.page.query_selector_all("input, textarea"):
        assert element.evaluate("e => e.labels.length") == 1
    eve.page.keyboard.press("Tab")
    eve.page.keyboard.press("Enter")  # the first button behind the sentence: yes
    eve.page.keyboard.press("ArrowLeft")
    assert eve.chosen() == ["yes"]
    eve.page.click(".film button >> nth=1")
    assert eve.page.is_visible("#large-picture") and eve.page.inner_text("#large-said").startswith("step ")
    eve.page.keyboard.press("3")  # not while a picture is large
    eve.page.keyboard.press("Escape")
    assert eve.chosen() == ["yes"] and eve.page.is_hidden("#large-picture")
