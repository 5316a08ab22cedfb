"""Budget and usage of an endpoint, and the waiting times of retries."""

import email.utils
import random
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from hindsight_rl.endpoint.settings import EndpointError, EndpointSettings

RETRIED = frozenset((408, 409, 429))
_LATENCIES = 512


class BudgetSpent(EndpointError):
    """The budget of calls or tokens is spent; no more questions are sent."""


class Usage:
    """Counts of one endpoint, over all threads. One question can need several requests, or none (from the cache)."""

    def __init__(self, settings: EndpointSettings):
        self._settings = settings
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)

    def restore(self, counts: Mapping[str, int]) -> None:
        """Go on from the counts of an earlier process, so that a budget is one of the whole run."""
        with self._lock:
            self.counts.update(counts)

    def count(self, what: str, by: int = 1) -> None:
        """Add to one of the counts."""
        with self._lock:
            self.counts[what] += by

    def fault(self, what: str) -> None:
        """Count an error of a request: `429`, `timeout`, `connection` ..."""
        with self._lock:
            self.faults[what] += 1

    def paid(self, tokens_in: int, tokens_out: int, seconds: float) -> None:
        """Count an answer that was not in the cache."""
        with self._lock:
            self.counts["tokens_in"] += tokens_in
            self.counts["tokens_out"] += tokens_out
            self._latencies.append(seconds)

    def spend(self) -> None:
        """Check the budget for one more request, and count it.

        Raises:
            BudgetSpent: the budget is spent. Running requests are still finished, so their tokens can exceed the
                budget.
        """
        with self._lock:
            calls, tokens = self._settings.max_calls, self._settings.max_tokens
            if calls and self.counts["requests"] >= calls:
                raise BudgetSpent(f"endpoint: its budget of {calls:,} calls is spent: raise --endpoint.max-calls")
            spent = self.counts["tokens_in"] + self.counts["tokens_out"]
            if tokens and spent >= tokens:
                raise BudgetSpent(f"endpoint: its budget of {tokens:,} tokens is spent: raise --endpoint.max-tokens")
            self.counts["requests"] += 1

    def snapshot(self) -> dict[str, Any]:
        """All counts as plain JSON: `questions`, `requests`, `retries`, `cached`, `malformed` ..., and the cost."""
        names = (
            "questions", "answered", "cached", "requests", "retries", "failed", "reasked", "malformed", "oversized",
            "tokens_in", "tokens_out",
        )  # fmt: skip
        with self._lock:
            made: dict[str, Any] = {name: self.counts[name] for name in names}
            made["faults"] = dict(sorted(self.faults.items()))
            latencies = list(self._latencies)
        if latencies:
            made["latency_median"] = round(statistics.median(latencies), 3)
            made["latency_max"] = round(max(latencies), 3)
        price = self._settings.price_in * made["tokens_in"] + self._settings.price_out * made["tokens_out"]
        made["cost"] = round(price / 1e6, 6)
        return made


def retried(status: int) -> bool:
    """Whether a request with this status should be retried."""
    return status in RETRIED or status >= 500


def backoff(attempt: int, retry_after: str | None = None, first: float = 0.5, most: float = 30.0) -> float:
    """Seconds to wait after attempt number ``attempt`` (from 0): the server's value, else doubling with jitter.

    retry_after: the value of the header, in seconds or as an HTTP date.
    """
    if retry_after:
        try:
            return max(0.0, float(retry_after))
        except ValueError:
            try:
                return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
            except (TypeError, ValueError):
                pass
    return float(min(most, first * 2**attempt) * random.uniform(0.5, 1.0))
