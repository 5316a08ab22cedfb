"""The base of all progress displays: live in a terminal, otherwise plain lines.

It is drawn only when :meth:`Display.draw` is called, in the training thread, at most four times per second and for at
most 1 % of the time. Errors in the display are ignored, because a display must never stop a run.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

REFRESH_SECONDS = 0.25
SHARE = 0.01  # largest share of the time for drawing


class Display(ABC):
    """A context manager; subclasses define what is shown.

    Args:
        console: where to write; standard error by default.
        clock: returns seconds, monotonic.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic):
        self.console = console or Console(stderr=True)
        self._clock = clock
        self._live: Live | None = None
        self._next_draw = float("-inf")

    @abstractmethod
    def render(self) -> RenderableType:
        """The current contents."""

    def __enter__(self) -> Self:
        try:
            if self.console.is_terminal and not self.console.is_dumb_terminal:
                self._live = Live(self.render(), console=self.console, auto_refresh=False)
                self._live.start(refresh=True)
        except Exception:
            self._live = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._live is not None:
                self._live.update(self.render(), refresh=True)
                self._live.stop()
        except Exception:
            pass
        self._live = None

    @property
    def live(self) -> bool:
        """Whether it is drawn in a terminal."""
        return self._live is not None

    def draw(self, at_once: bool = False) -> None:
        """Redraw a live display, unless this was done a moment ago."""
        if self._live is None:
            return
        now = self._clock()
        if at_once or now >= self._next_draw:
            self._live.update(self.render(), refresh=True)
            after = self._clock()
            self._next_draw = after + max(REFRESH_SECONDS, (after - now) / SHARE)

    def say(self, text: str) -> None:
        """Print a plain line."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)
