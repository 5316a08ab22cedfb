"""The live display: what it tells, how seldom it draws, and that it never costs a run."""

import io

import pytest
from rich.console import Console

from hindsight_rl.agent.training.progress import Progress, bar, duration
from hindsight_rl.display import REFRESH_SECONDS


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def row(step, **more):
    slots = [{"text": "chop [red] a tree", "status": "learning boundary", "mean_return": 0.4, "attempts": 90}]
    return {
        "step": step, "loss": 0.01, "success_of_given": 0.25, "slots": slots, "accepted": 10, "rejected": 1,
        "unique_instructions": 40, "clusters": 12, **more,
    }  # fmt: skip


def plain(width=200):
    out = io.StringIO()
    return out, Console(file=out, width=width)


def terminal(width=140):
    out = io.StringIO()
    return out, Console(file=out, width=width, force_terminal=True, _environ={"TERM": "xterm"})


def test_not_a_terminal_gets_a_line_for_every_tenth_of_the_way():
    out, console = plain()
    clock = Clock()
    with Progress("oir", 1000, console=console, clock=clock) as progress:
        for step in range(10, 1001, 10):
            clock.now += 1.0
            progress.show(row(step, **({"success": {"collect_wood": 0.5, "place_table": 0.25}} if step == 500 else {})))
    lines = out.getvalue().splitlines()
    assert len(lines) == 11  # the first iteration, then 10 % ... 100 %
    assert "1,000/1,000 steps (100%)" in lines[-1] and "success 0.375 over 2 instructions at 500" in lines[-1]
    assert "10 steps/s" in lines[-1] and "1,000 accepted, 100 rejected" in lines[-1]
    assert "\x1b" not in out.getvalue()


def test_terminal_shows_success_slots_relabels_and_coverage():
    out, console = terminal()
    clock = Clock()
    progress = Progress("her", 1000, console=console, clock=clock)
    for step in (100, 200):
        clock.now += 2.0
        progress.show(row(step, success={"collect_wood": 0.75}))
    console.print(progress.render())
    text = out.getvalue()
    for part in ("her", "20%", "50 steps/s", "0:16 left", "collect wood", "0.75", "chop [red] a tree", "boundary",
                 "20 accepted, 2 rejected", "40 instructions in 12 clusters"):  # fmt: skip
        assert part in text, part


def test_drawing_is_seldom_and_takes_a_hundredth_of_the_time(monkeypatch):
    _, console = terminal()
    clock = Clock()
    drawn = []
    with Progress("oir", 10**6, console=console, clock=clock) as progress:
        render = progress.render
        cost = 0.0

        def slow():
            drawn.append(clock.now)
            clock.now += cost
            return render()

        monkeypatch.setattr(progress, "render", slow)
        for i in range(1000):  # 10 seconds in iterations of 10 ms
            clock.now += 0.01
            progress.show(row(i))
        assert 0.9 * 10 / REFRESH_SECONDS <= len(drawn) <= 10 / REFRESH_SECONDS + 1
        drawn.clear()
        cost = 0.02
        for i in range(1000):
            clock.now += 0.01
            progress.show(row(i))
        assert 4 <= len(drawn) <= 7  # 20 ms of drawing allow one picture in 2 seconds


@pytest.mark.parametrize("width", [20, 40, 80, 118, 200])
def test_every_width_is_drawn_and_no_line_is_longer(width):
    _, console = terminal(width)
    console.no_color = True
    progress = Progress("oir", 1000, console=console)
    progress.show(row(10, success={f"make_something_{i}": i / 22 for i in range(22)}))
    with console.capture() as captured:
        console.print(progress.render())
    from rich.text import Text

    assert all(Text.from_ansi(line).cell_len <= width for line in captured.get().splitlines())


def test_nothing_that_is_shown_can_raise():
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError("the pipe is closed")

    for console in (Console(file=Broken(), width=80), Console(file=Broken(), width=80, force_terminal=True)):
        with Progress("oir", 100, console=console) as progress:
            progress.show(row(50))
    with Progress("oir", 0, console=plain()[1]) as progress:
        progress.show({})
        progress.show({"step": None, "slots": 3, "loss": "x", "success": [1]})


def test_an_error_of_training_passes_through():
    with pytest.raises(KeyError), Progress("oir", 10, console=terminal()[1]):
        raise KeyError("training")


def test_bar_and_duration():
    assert bar(0.0, 4) == "    " and bar(1.0, 4) == "████" and bar(0.5, 4) == "██  " and bar(7.0, 2) == "██"
    assert bar(1 / 16, 2) == "▏ "
    assert (duration(65), duration(3723), duration(-1)) == ("1:05", "1:02:03", "0:00")


def test_a_language_model_is_shown_and_why_it_does_not_answer():
    out, console = plain(400)
    progress = Progress("oir", 1000, console=console)
    progress.show(row(100, llm={"asked": 16, "answered": 0, "standing_in": True, "trouble": "timeout"}))
    assert "language model: 0 of 16 questions answered, 0 relabels accepted, 0 rejected (timeout)" in out.getvalue()
    llm = {"asked": 16, "answered": 9, "accepted": 5, "rejected": {"length": 2, "unconfirmed": 1}, "standing_in": False}
    progress.show(row(1000, llm=llm))
    assert "9 of 16 questions answered, 5 relabels accepted, 3 rejected  ·" in out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_phase_is_said_at_once_and_fits_its_line(width):
    out, console = plain()
    progress = Progress("oir", 1000, console=console)
    progress.phase("compiling: a minute or two")
    assert out.getvalue() == "oir  compiling: a minute or two\n"
    progress.phase("evaluating", plain=False)
    assert "evaluating" not in out.getvalue()

    out, console = terminal(width)
    clock = Clock()
    with Progress("oir-no-buffer", 100_000_000, console=console, clock=clock) as progress:
        progress.phase("final evaluation: canonical (1 of 4)")
        assert "final evaluation: canonical (1 of 4)" in out.getvalue()
        for step in (50_000_000, 99_999_999):
            clock.now += 3600.0
            progress.show(row(step))
        out.truncate(0)
        console.print(progress.render())
    header = next(line for line in out.getvalue().splitlines() if "left" in line)
    assert "steps/s" in header and "oir-no-buffer" in header
