"""Filming an untrained policy: what is followed, what is drawn, what is written, what is refused."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("craftax")
Image = pytest.importorskip("PIL.Image")

from hindsight_rl.agent.envs.craftax.full import CraftaxFull  # noqa: E402
from hindsight_rl.agent.envs.craftax.picture import _HELD, film_picture, view  # noqa: E402
from hindsight_rl.agent.envs.environment import Environment  # noqa: E402
from hindsight_rl.agent.evaluation.attempt import STEPS_AFTER_SUCCESS  # noqa: E402
from hindsight_rl.agent.video import film as films  # noqa: E402
from hindsight_rl.agent.video.files import LAST_MS, check_target  # noqa: E402
from hindsight_rl.agent.video.renderer import Caption, EventLine, Painter  # noqa: E402
from hindsight_rl.cli import main as hindsight  # noqa: E402
from hindsight_rl.errors import HindsightError  # noqa: E402

pytestmark = pytest.mark.agent


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder whose checkpoint holds random parameters."""
    from hindsight_rl.agent.training.checkpoint import Checkpoints
    from hindsight_rl.agent.training.train import TrainConfig
    from hindsight_rl.agent.training.training_run import TrainingRun
    from hindsight_rl.run import Run

    config = TrainConfig(num_envs=16, num_worlds=16, width=32, seed=3)
    run = Run.create(tmp_path_factory.mktemp("runs") / "tiny", dataclasses.asdict(config), kind="agent")
    training = TrainingRun(config.checked(), run)
    training.save(Checkpoints(run.path / "checkpoints"))
    return run.path


@pytest.fixture(scope="module")
def policy(run):
    from hindsight_rl.agent.training.loop import compile_cache
    from hindsight_rl.agent.training.trainer import load_policy
    from hindsight_rl.run import Run

    compile_cache()
    return load_policy(Run.open(run))


def game(**changes):
    """A hand-made state: grass everywhere, the player in the middle of a 16 x 16 map."""
    nobody = SimpleNamespace(position=np.zeros((3, 2), int), mask=np.zeros(3, bool))
    held = {name: 0 for name in _HELD}
    state = {
        "map": np.full((16, 16), 2), "player_position": np.array([8, 8]), "player_direction": 1,
        "player_health": 9, "player_food": 9, "player_drink": 9, "player_energy": 9, "is_sleeping": False,
        "zombies": nobody, "cows": nobody, "skeletons": nobody, "arrows": nobody,
        "arrow_directions": np.zeros((3, 2), int), "light_level": 1.0, "inventory": SimpleNamespace(**held),
    }  # fmt: skip
    return SimpleNamespace(**state | changes)


def tile(picture, row, column):
    return picture[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]


def test_view_shows_blocks_mobs_and_the_player_where_they_are():
    ground = np.full((16, 16), 2)
    ground[5, 4], ground[11, 12] = 5, 3  # a tree in the top left corner of the view, water in the bottom right
    cow = SimpleNamespace(position=np.array([[8, 9], [8, 10], [0, 0]]), mask=np.array([True, False, True]))
    plain, seen = view(game()), view(game(map=ground, cows=cow))
    differs = {(r, c) for r in range(7) for c in range(9) if (tile(plain, r, c) != tile(seen, r, c)).any()}
    assert differs == {(0, 0), (6, 8), (3, 5)}
    turned = view(game(player_direction=3))
    assert (tile(turned, 3, 4) != tile(plain, 3, 4)).any() and (tile(turned, 0, 0) == tile(plain, 0, 0)).all()


def test_view_past_the_edge_of_the_map_at_night_and_asleep():
    corner = view(game(player_position=np.array([0, 0])))
    assert len(np.unique(tile(corner, 0, 0).reshape(-1, 3), axis=0)) == 1  # nothing is there
    day, night, asleep = view(game()), view(game(light_level=0.1)), view(game(is_sleeping=True))
    assert day.mean() > night.mean() and day.mean() > asleep.mean()
    assert tile(night, 3, 4).mean() > tile(night, 0, 0).mean()  # darkness comes from the edges


@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_picture_has_room_for_long_texts_and_keeps_its_size(size):
    text = "collect wood, then place a crafting table beside the water, then make a wood pickaxe and so on " * 2
    drawn = film_picture(game(), size)
    painter = Painter(drawn.shape[1::-1], size, 4, text)
    goals = [("collect wood", True), ("x" * 300, False), ("日本語 – ñ", False)]
    events = [
        EventLine(12, "collected wood from a tree", True),
        EventLine(11, "y" * 300),
        EventLine(3, "hit a cow", times=9),
    ]
    for verdict in ("", "fulfilled after 12 steps"):
        caption = Caption(text, goals, 1, 12, events, verdict, True, "oir · classic-32", ["sleep", "drink " * 50])
        picture = painter.paint(drawn, caption)
        assert picture.size == (9 * size, painter.height) and painter.height % 2 == 0


def test_attempt_follows_the_same_way_twice_and_counts_by_the_reward(policy):
    one = films.attempt(policy, "wake up, then walk up to a tree", steps=120, seed=2, epsilon=0.5)
    two = films.attempt(policy, "wake up, then walk up to a tree", steps=120, seed=2, epsilon=0.5)
    assert (one.events == two.events).all() and one.world_index == two.world_index
    assert one.parsed.ordered and one.reached.shape == (len(one.events), 2)
    assert (np.diff(one.reached.astype(int), axis=0) >= 0).all()  # never unreached again
    assert not (one.reached[:, 1] & ~one.reached[:, 0]).any()  # in order
    fires = policy.reward.table(one.parsed.goals)
    for goal in np.flatnonzero(one.reached.any(0)):
        assert (one.events[one.reached[:, goal].argmax()] & fires[:, goal]).any()
    assert one.states.game.map.shape[0] == len(one.events) + 1


def test_attempt_stops_soon_after_fulfilment_and_tries_other_worlds(policy):
    made = films.attempt(policy, "fall asleep", steps=200, seed=0, epsilon=1.0, tries=8)
    assert made.fulfilled is not None and made.reached[made.fulfilled - 1].all()
    assert len(made.events) <= made.fulfilled + STEPS_AFTER_SUCCESS and made.steps == made.fulfilled
    never = films.attempt(policy, "make an iron sword", steps=20, world_index=255, tries=3)
    assert never.fulfilled is None and never.tries == 3 and never.world_index == 1  # 255, 0, 1


def test_a_count_takes_as_many_times_and_what_is_forbidden_ends_an_attempt(policy):
    once = films.attempt(policy, "fall asleep", steps=200, seed=0, epsilon=1.0, tries=8)
    twice = films.attempt(policy, "fall asleep twice", steps=600, seed=0, epsilon=1.0, world_index=once.world_index)
    asleep = [event.name for event in policy.env.events].index("fall_asleep")
    if twice.fulfilled is not None:
        assert twice.events[: twice.fulfilled, asleep].sum() == 2 and twice.fulfilled > (once.fulfilled or 0)
    else:
        assert twice.events[:, asleep].sum() < 2
    strict = films.attempt(
        policy,
        "make an iron sword but do not fall asleep",
        steps=200,
        seed=0,
        epsilon=1.0,
        world_index=once.world_index,
    )
    assert strict.violated == once.fulfilled and not strict.success and len(strict.events) == strict.violated


def test_a_film_shows_how_far_a_count_is_and_what_is_forbidden(policy, monkeypatch):
    made = films.attempt(policy, "fall asleep twice, but do not place stone", steps=60, seed=0, epsilon=1.0)
    captions = []
    paint = Painter.paint
    monkeypatch.setattr(Painter, "paint", lambda self, drawn, text: captions.append(text) or paint(self, drawn, text))
    films.frames(made, policy, "", tile=16)
    have = [0, *made.hits[:, 0].tolist()]
    assert [caption.goals[0][0] for caption in captions] == [f"fall asleep, {min(n, 2)} of 2" for n in have]
    assert all(caption.avoid == ["place stone"] for caption in captions)
    assert [caption.broken for caption in captions] == [
        made.violated is not None and step >= made.violated for step in range(len(captions))
    ]


def test_film_writes_a_small_gif_and_a_png(run, policy, tmp_path):
    out, still = tmp_path / "new folder" / "a.gif", tmp_path / "a.png"
    report = films.film(run, "collect iron", out, steps=60, seed=1, policy=policy, frame=still)
    with Image.open(out) as gif:
        assert gif.width == 9 * films.TILE and 1 < gif.n_frames <= 61
        shown = 0
        for i in range(gif.n_frames):
            gif.seek(i)
            shown += gif.info["duration"]
        assert abs(shown - (report["steps"] * 100 + LAST_MS)) < 1  # frames that do not differ are held longer
        last = np.asarray(gif.convert("RGB")).astype(int)
    with Image.open(still) as png:
        assert np.abs(np.asarray(png.convert("RGB")).astype(int) - last).mean() < 6
    assert out.stat().st_size < 60 * 10_000  # 300 steps stay below 3 MB
    assert report["fulfilled"] is False and report["goals"] == [{"text": "collect iron", "step": None}]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_watch_says_first_how_it_understands(run, policy, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(films, "load_policy", lambda run: policy)
    out = str(tmp_path / "a.gif")
    text = "collect 2 wood but do not drink"
    assert hindsight(["agent", "watch", str(run), text, "--out", out, "--steps", "5", "--size", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["  - collect wood: collect_wood, 2 times", "  never: collect_drink"]
    assert lines[2].startswith("not fulfilled after 5 steps")


def test_mp4_where_ffmpeg_is_there_and_a_clear_word_where_it_is_not(run, policy, tmp_path, monkeypatch):
    import sys

    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError:
        pass
    else:
        films.film(run, "collect wood", tmp_path / "a.mp4", steps=5, policy=policy, tile=16)
        assert (tmp_path / "a.mp4").stat().st_size > 500
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(HindsightError, match="pip install imageio-ffmpeg, or name the film"):
        films.film(run, "collect wood", tmp_path / "b.mp4", policy=policy)


def test_a_film_that_cannot_be_written_is_refused_before_it_is_made(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    (tmp_path / "folder.gif").mkdir()
    for out in (blocked / "a.gif", tmp_path / "folder.gif"):
        with pytest.raises(HindsightError, match=f"cannot write {out}"):
            check_target(out)
    before = set(tmp_path.rglob("*"))
    check_target(tmp_path / "new" / "folder" / "a.gif")
    assert set(tmp_path.rglob("*")) == before  # what the check made is gone again
    with pytest.raises(HindsightError, match=r"cannot write .*folder.gif.* choose another --frame"):
        films.film(tmp_path, "collect wood", tmp_path / "a.gif", frame=tmp_path / "folder.gif")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["ponder the meaning of life"], "no event of this environment resembles it"),
        ([" "], "it is empty"),
        (["collect wood " * 40], "at most 400"),
        (["do not die"], "only forbids"),
        (["collect 50 wood"], "50 times"),
        (["collect wood", "--steps", "0"], "--steps 0"),
        (["collect wood", "--world-index", "256"], "--world-index 256"),
        (["collect wood", "--seed", "-1"], "--seed -1"),
        (["collect wood", "--tries", "0"], "--tries 0"),
        (["collect wood", "--size", "5"], "--size 5"),
        (["collect wood", "--fps", "0"], "--fps 0"),
        (["collect wood", "--out", "film.avi"], "must end in .gif or .mp4"),
    ],
)
def test_bad_input_is_one_line_with_the_mend(run, policy, more, said, capsys, monkeypatch):
    monkeypatch.setattr(films, "load_policy", lambda run: policy)
    before = set(run.rglob("*"))
    assert hindsight(["agent", "watch", str(run), *more]) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1
    assert set(run.rglob("*")) == before


def test_a_folder_without_a_run_is_an_error(tmp_path, capsys):
    assert hindsight(["agent", "watch", str(tmp_path), "collect wood"]) == 2
    assert "no run folder" in capsys.readouterr().err


class Dot(Environment):
    """Draws one cell per pixel, or nothing."""

    name = "dot"

    def render(self, state):
        return np.full((2, 3, 3), state, np.uint8)


def test_any_environment_that_draws_is_enlarged_to_the_films_width(policy, run, tmp_path):
    picture = films.picture_of(Dot(), 7, tile=32)
    assert picture.shape == (192, 288, 3) and (picture == 7).all()
    blind = dataclasses.replace(policy, env=CraftaxFull())
    with pytest.raises(HindsightError, match=r"'craftax' draws no pictures: give it a method render"):
        films.film(run, "collect wood", tmp_path / "a.gif", policy=blind)


def test_command_names_the_film_after_the_words(run, policy, capsys, monkeypatch):
    monkeypatch.setattr(films, "load_policy", lambda run: policy)
    assert hindsight(["agent", "watch", str(run), "Collect wood, then place a table", "--steps", "5"]) == 0
    assert (run / "films" / "collect-wood-then-place-a-table.gif").exists()
    assert "not fulfilled after 5 steps" in capsys.readouterr().out
