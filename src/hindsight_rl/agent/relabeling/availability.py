"""Decides whether an endpoint may be called now. After a failure there is a pause, then one test call."""

import threading
import time

from hindsight_rl.endpoint import BudgetSpent

PAUSES = (5.0, 60.0)
"""Seconds of pause after the endpoint failed: the first pause and the longest (it doubles)."""


class Availability:
    """Measures how long an endpoint fails and decides when to call it again. A spent budget is no failure. Thread-safe.

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
        """Did the last call fail?"""
        return self._down_since is not None

    @property
    def down_seconds(self) -> float:
        """Total seconds of failure so far, including the current failure."""
        since = self._down_since
        return self._seconds + (time.monotonic() - since if since is not None else 0.0)

    def restore(self, down_seconds: float) -> None:
        """Continue from the count of an earlier process."""
        self._seconds = down_seconds

    def may_ask(self, under_way: int) -> bool:
        """May a call be made now, with this many calls in progress? While the endpoint fails, only one at a time."""
        if self.budget_spent or time.monotonic() < self._not_before:
            return False
        return not self.down or not under_way

    def answered(self) -> None:
        """Record that the endpoint answered, even if the answer is unusable."""
        with self._lock:
            if self._down_since is not None:
                self._seconds += time.monotonic() - self._down_since
                self._down_since, self._pause = None, PAUSES[0]

    def failed(self, error: BaseException) -> None:
        """Record that the endpoint did not answer."""
        with self._lock:
            self.trouble = str(error)
            if isinstance(error, BudgetSpent):  # the endpoint itself is well
                self.budget_spent = True
                return
            now = time.monotonic()
            if self._down_since is None:
                self._down_since = now
            elif now >= self._not_before:
                self._pause = min(2 * self._pause, PAUSES[1])
            self._not_before = now + self._pause
