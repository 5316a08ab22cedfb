"""A live display in a terminal, plain lines elsewhere: what the learners' progress displays share.

It is drawn only when it is told to, in the thread that trains, at most four times a second and for at most a hundredth
of the time. Whatever goes wrong in here is swallowed, for a display must never cost a run.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

REFRESH_SECONDS = 0.25
SHARE = 0.01  # of the time that drawing may take


class Display(ABC):
    """A context manager; subclasses say what is shown.

    Args:
        console: where to write; standard error by default.
        clock: seconds, monotonic.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic):
        self.console = console or Console(stderr=True)
        self._clock = clock
        self._live: Live | None = None
        self._next_draw = float("-inf")

    @abstractmethod
    def render(self) -> RenderableType:
        """What is shown now."""

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
        """Is it drawn in a terminal?"""
        return self._live is not None

    def draw(self, at_once: bool = False) -> None:
        """Draw it anew, unless that was done a moment ago; nothing where it is not live."""
        if self._live is None:
            return
        now = self._clock()
        if at_once or now >= self._next_draw:
            self._live.update(self.render(), refresh=True)
            after = self._clock()
            self._next_draw = after + max(REFRESH_SECONDS, (after - now) / SHARE)

    def say(self, text: str) -> None:
        """A plain line."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)
