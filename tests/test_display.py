"""The display that both learners share: drawn in a terminal, silent elsewhere, seldom, and never at a run's cost."""

import io

from rich.console import Console
from rich.text import Text

from hindsight_rl.display import REFRESH_SECONDS, SHARE, Display


class Counting(Display):
    """Counts how often it is rendered; each time takes `cost` seconds of its clock."""

    def __init__(self, terminal: bool, cost: float = 0.0, broken: bool = False):
        self.now, self.cost, self.broken, self.rendered = 0.0, cost, broken, 0
        super().__init__(Console(file=io.StringIO(), force_terminal=terminal, width=60), clock=lambda: self.now)

    def render(self) -> Text:
        self.rendered += 1
        self.now += self.cost
        if self.broken:
            raise RuntimeError("cannot be shown")
        return Text("shown")


def test_outside_a_terminal_nothing_is_drawn_and_lines_are_said() -> None:
    with Counting(terminal=False) as display:
        display.draw(at_once=True)
        display.say("[a] line")
        assert not display.live and display.rendered == 0
        assert display.console.file.getvalue() == "[a] line\n"  # type: ignore[attr-defined]


def test_it_is_drawn_at_most_four_times_a_second_unless_asked() -> None:
    with Counting(terminal=True) as display:
        assert display.live
        before = display.rendered
        for _ in range(100):
            display.now += REFRESH_SECONDS / 10
            display.draw()
        assert 9 <= display.rendered - before <= 11
        before = display.rendered
        display.draw(at_once=True)
        assert display.rendered == before + 1


def test_slow_drawing_takes_a_hundredth_of_the_time() -> None:
    with Counting(terminal=True, cost=1.0) as display:
        display.draw()
        before, began = display.rendered, display.now
        while display.now < began + 10 / SHARE:
            display.now += 1.0
            display.draw()
        assert 8 <= display.rendered - before <= 11


def test_what_cannot_be_rendered_stops_nobody() -> None:
    with Counting(terminal=True, broken=True) as display:
        assert not display.live
        display.draw(at_once=True)
