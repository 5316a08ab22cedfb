"""Whether an endpoint can be asked now: after a failure it is left alone for a while, then asked one question."""

import threading
import time

from hindsight_rl.endpoint import BudgetSpent

PAUSES = (5.0, 60.0)
"""Seconds without a question after the endpoint failed: first, and at most (it doubles)."""


class Availability:
    """Counts how long an endpoint fails, and says when to ask it again. Several threads may use it.

    Attributes:
        trouble: the last error, as text.
        budget_spent: no more calls or tokens are allowed.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self.budget_spent = False
        self._lock = threading.Lock()
        self._down_since: float | None = None
        self._seconds = 0.0
        self._pause, self._not_before = PAUSES[0], 0.0

    @property
    def down(self) -> bool:
        """Did the last question fail?"""
        return self._down_since is not None

    @property
    def down_seconds(self) -> float:
        """Seconds for which the endpoint failed so far, until now if it still does."""
        since = self._down_since
        return self._seconds + (time.monotonic() - since if since is not None else 0.0)

    def restore(self, down_seconds: float) -> None:
        """Go on from what an earlier process counted."""
        self._seconds = down_seconds

    def may_ask(self, under_way: int) -> bool:
        """May a question be asked now, with so many under way? While the endpoint fails, one at a time."""
        if self.budget_spent or time.monotonic() < self._not_before:
            return False
        return not self.down or not under_way

    def answered(self) -> None:
        """The endpoint answered, well or badly."""
        with self._lock:
            if self._down_since is not None:
                self._seconds += time.monotonic() - self._down_since
                self._down_since, self._pause = None, PAUSES[0]

    def failed(self, error: BaseException) -> None:
        """The endpoint did not answer."""
        with self._lock:
            self.trouble = str(error)
            self.budget_spent |= isinstance(error, BudgetSpent)
            now = time.monotonic()
            if self._down_since is None:
                self._down_since = now
            elif now >= self._not_before:
                self._pause = min(2 * self._pause, PAUSES[1])
            self._not_before = now + self._pause
