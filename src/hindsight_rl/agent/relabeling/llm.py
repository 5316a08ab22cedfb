"""A language model names what trajectories achieved, beside training: training hands over snapshots and never waits.

Snapshots of trajectories with new sets of events go to a chat endpoint; its candidates are filtered, grounded and
deduplicated in a worker, and handed to the trainer when it next asks. While the endpoint has said nothing usable, or
fails, templates speak exactly as they would without it.
"""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hindsight_rl.agent.instructions.parser import parse
from hindsight_rl.agent.relabeling.grounding import Refused, filtered, ground
from hindsight_rl.agent.relabeling.relabeler import NOT_GOALS, Delivery, Relabel, Relabeler
from hindsight_rl.agent.relabeling.snapshot import Snapshot, prompt, question
from hindsight_rl.agent.reward.semantic import InstructionError, SemanticReward
from hindsight_rl.endpoint import Answer, BudgetSpent, Endpoint, EndpointError, MalformedAnswer
from hindsight_rl.run import Run

QUESTIONS = "questions.jsonl"
MOST_KNOWN = 2000
PAUSES = (5.0, 60.0)
"""Seconds without a question after the endpoint failed: first, and at most (it doubles)."""


@dataclass
class LlmRules:
    """How the language model is used."""

    candidates: int = 6
    """Instructions asked for per trajectory (K), in one answer."""
    pending: int = 16
    """Most trajectories under way; while there are as many, none is taken."""
    same: float = 0.95
    """Cosine from which two instructions for the same events are one."""


class LlmRelabeler:
    """Relabels by a language model beside training; see :class:`hindsight_rl.agent.relabeling.relabeler.RelabelSource`.

    Args:
        endpoint: whom to ask; closed with this.
        reward: grounds what it says.
        rules: see :class:`LlmRules`.
        run: where questions are kept, so that a resumed run asks the same ones; None keeps none.
    """

    def __init__(self, endpoint: Endpoint, reward: SemanticReward, rules: LlmRules, run: Run | None = None):
        self.endpoint, self.reward, self.rules, self.run = endpoint, reward, rules, run
        self.events = reward.events
        self._index = {event.name: i for i, event in enumerate(self.events)}
        self._open = np.array([event.name not in NOT_GOALS for event in self.events])
        self._asked: set[tuple[int, ...]] = set()
        self._delivered: set[tuple[int, ...]] = set()
        self._under_way: dict[tuple[int, ...], Snapshot] = {}
        self._waiting: deque[Snapshot] = deque()
        self._ready: deque[tuple[Snapshot, list[Relabel | Refused], list[str]]] = deque()
        self._known: list[Relabel] = []
        self._needs = np.zeros((0, len(self.events)), bool)
        self._vectors: dict[tuple[str, ...], list[tuple[str, np.ndarray]]] = {}
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._ages: list[int] = []
        self._lock = threading.Lock()
        self._down_since: float | None = None
        self._down = 0.0
        self._pause, self._not_before = PAUSES[0], 0.0
        self._trouble = ""
        self._spent = False
        self._templates: Relabeler | None = None
        self._rarity = np.zeros(len(self.events))
        self._step = 0
        self._closed = False
        # One worker: the encoder's texts come one after another, and training keeps the other core.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="grounding")

    def at(self, step: int, templates: Relabeler, rarity: np.ndarray) -> "LlmRelabeler":
        """Told before each visit: how far training is, who stands in, and how rare each event is."""
        self._step, self._templates, self._rarity = step, templates, rarity
        return self

    @property
    def standing_in(self) -> bool:
        """Do templates speak? Until the first usable answer, and while the endpoint fails."""
        return not self._known or self._down_since is not None

    def propose(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        """Instructions known from the language model that this trajectory fulfils; else what templates say."""
        assert self._templates is not None
        if not self.standing_in:
            found = self._recalled(np.asarray(events, bool), k, rng)
            if found:
                return found
        self._counts["template_trajectories"] += 1
        return self._templates.propose(events, k, rng)

    def _recalled(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        fits = np.flatnonzero(~(self._needs & ~events.any(0)).any(1))
        if not len(fits):
            return []
        # The rarest event of an instruction decides how much it is wanted, as with templates.
        weight = np.where(self._needs[fits], self._rarity, 0.0).max(1) + 0.05
        chosen = rng.choice(fits, size=min(k, len(fits)), replace=False, p=weight / weight.sum())
        found = []
        for index in chosen:
            relabel = self._known[index]
            evidence: list[tuple[int, str]] = []
            for _, name in relabel.evidence:
                start = evidence[-1][0] + 1 if relabel.ordered and evidence else 0
                steps = np.flatnonzero(events[start:, self._index[name]])
                if not len(steps):
                    break
                evidence.append((start + int(steps[0]), name))
            else:
                found.append(Relabel(relabel.text, relabel.goals, relabel.ordered, tuple(evidence)))
        return found

    def watch(self, trajectories: Sequence[np.ndarray]) -> None:
        """Take snapshots of those with new sets of events, the rarest first, as far as there is room; returns at once.

        Args:
            trajectories: bool [T, n_events] each.
        """
        self._resend()
        fresh: dict[tuple[int, ...], np.ndarray] = {}
        for events in trajectories:
            key = tuple(int(i) for i in np.flatnonzero(events.any(0) & self._open))
            if key and key not in self._asked:
                fresh.setdefault(key, events)
        self._counts["new_sets"] += len(fresh)
        rarest = sorted(fresh, key=lambda key: -float(self._rarity[list(key)].max()))
        for key in rarest:
            if len(self._under_way) + len(self._waiting) >= self.rules.pending or not self._may_ask():
                break
            steps, happened = np.nonzero(fresh[key])
            pairs = tuple((int(s), int(e)) for s, e in zip(steps, happened, strict=True))
            snapshot = Snapshot(pairs, len(fresh[key]), self._step)
            self._asked.add(key)
            if self.run is not None:
                self.run.append(QUESTIONS, {"prompt": prompt()[1], **asdict(snapshot)})
            self._send(key, snapshot)

    def _may_ask(self) -> bool:
        if self._spent or time.monotonic() < self._not_before:
            return False
        return self._down_since is None or not self._under_way  # while it fails, one question feels its way

    def _resend(self) -> None:
        while self._waiting and self._may_ask():
            snapshot = self._waiting.popleft()
            self._send(self._key(snapshot), snapshot)

    def _key(self, snapshot: Snapshot) -> tuple[int, ...]:
        return tuple(sorted({event for _, event in snapshot.happened if self._open[event]}))

    def _send(self, key: tuple[int, ...], snapshot: Snapshot) -> None:
        self._under_way[key] = snapshot
        self._counts["asked"] += 1
        future = self.endpoint.submit(question(snapshot, self.events, self.rules.candidates))
        future.add_done_callback(lambda done: self._arrived(key, snapshot, done))

    def _arrived(self, key: tuple[int, ...], snapshot: Snapshot, done: "Future[Answer]") -> None:
        """In the endpoint's thread: note how it went and leave the rest to the worker."""
        if self._closed or done.cancelled():
            return
        error = done.exception()
        with self._lock:
            if error is None or isinstance(error, MalformedAnswer):
                self._counts["answered" if error is None else "malformed"] += 1
                if self._down_since is not None:
                    self._down += time.monotonic() - self._down_since
                    self._down_since, self._pause = None, PAUSES[0]
            else:
                self._counts["failed"] += 1
                self._trouble = str(error)
                self._spent |= isinstance(error, BudgetSpent)
                now = time.monotonic()
                if self._down_since is None:
                    self._down_since = now
                elif now >= self._not_before:
                    self._pause = min(2 * self._pause, PAUSES[1])
                self._not_before = now + self._pause
        if error is not None and not isinstance(error, EndpointError):
            self._trouble = f"{type(error).__name__}: {error}"
        if error is None:
            with contextlib.suppress(RuntimeError):  # closed just now
                self._worker.submit(self._grounded, key, snapshot, done.result().value)
            return
        self._under_way.pop(key, None)
        if isinstance(error, MalformedAnswer):
            self._delivered.add(key)
        else:
            self._waiting.append(snapshot)  # nothing is lost: it is asked when the endpoint is back

    def _grounded(self, key: tuple[int, ...], snapshot: Snapshot, value: Any) -> None:
        """In the worker: every candidate becomes a relabel or a reason."""
        results: list[Relabel | Refused] = []
        texts: list[str] = []
        try:
            events = snapshot.events(len(self.events))
            said = value.instructions[: 2 * self.rules.candidates]
            self._encode([candidate.instruction for candidate in said])
            for candidate in said:
                made = ground(candidate.instruction, candidate.steps, events, self.reward, prompt()[0])
                if isinstance(made, Relabel):
                    made = self._once(made)
                results.append(made)
                texts.append(candidate.instruction[:400])
            if not value.instructions:
                self._counts["empty"] += 1
        except Exception as error:  # a worker that dies would end relabeling without a word
            self._trouble = f"{type(error).__name__}: {error}"
            self._counts["worker_errors"] += 1
        self._under_way.pop(key, None)
        self._ready.append((snapshot, results, texts))

    def _encode(self, texts: Sequence[str]) -> None:
        """All sentences that grounding will need, in one batch, which costs far less than one by one."""
        wanted = [text for text in texts if not filtered(text, prompt()[0])]
        parsed: list[str] = []
        for text in wanted:
            with contextlib.suppress(InstructionError):
                parsed += parse(text).goals
        if wanted:
            self.reward.embed([*wanted, *parsed])

    def _once(self, relabel: Relabel) -> Relabel | Refused:
        names = tuple(name for _, name in relabel.evidence)
        key = ("then", *names) if relabel.ordered else tuple(sorted(names))
        vector = self.reward.embed(relabel.goals).mean(0)
        vector /= max(float(np.linalg.norm(vector)), 1e-9)
        for text, other in self._vectors.get(key, ()):
            if text == relabel.text or float(vector @ other) >= self.rules.same:
                return Refused("duplicate", f"it says the same as '{text}'")
        self._vectors.setdefault(key, []).append((relabel.text, vector))
        return relabel

    def delivered(self) -> list[Delivery]:
        """What has become ready since the last call, accepted and refused; returns at once."""
        made = []
        while self._ready:
            snapshot, results, texts = self._ready.popleft()
            self._delivered.add(self._key(snapshot))
            events = snapshot.events(len(self.events))
            age = max(0, self._step - snapshot.step)
            self._ages.append(age)
            origin = {"source": "llm", "model": self.endpoint.settings.model, "prompt": prompt()[1], "age": age}
            for result, text in zip(results, texts, strict=True):
                if isinstance(result, Relabel):
                    self._counts["accepted"] += 1
                    made.append(Delivery(result.text, result, None, events, origin))
                    self._know(result)
                else:
                    self._refused[result.kind] += 1
                    made.append(Delivery(text, None, f"{result.kind}: {result.reason}", events, origin))
        return made

    def _know(self, relabel: Relabel) -> None:
        if len(self._known) >= MOST_KNOWN:
            return
        self._known.append(relabel)
        row = np.zeros((1, len(self.events)), bool)
        row[0, [self._index[name] for _, name in relabel.evidence]] = True
        self._needs = np.concatenate([self._needs, row])

    @property
    def down_seconds(self) -> float:
        """Seconds for which the endpoint failed so far, until now where it still does."""
        since = self._down_since
        return self._down + (time.monotonic() - since if since is not None else 0.0)

    def metrics(self) -> dict[str, Any]:
        """`llm`: counts so far, as plain JSON; for the run's metrics and its report."""
        ages = self._ages
        made = {
            "standing_in": self.standing_in,
            **{
                name: self._counts[name]
                for name in (
                    "asked", "answered", "malformed", "empty", "failed", "accepted", "new_sets",
                    "template_trajectories", "worker_errors",
                )
            },
            "refused": dict(sorted(self._refused.items())),
            "under_way": len(self._under_way),
            "waiting": len(self._waiting),
            "known": len(self._known),
            "age_mean": round(float(np.mean(ages))) if ages else None,
            "age_max": max(ages) if ages else None,
            "down_seconds": round(self.down_seconds, 1),
            "budget_spent": self._spent,
            "trouble": self._trouble,
            "endpoint": self.endpoint.usage.snapshot(),
        }  # fmt: skip
        return {"llm": made}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "known": [asdict(relabel) for relabel in self._known],
            "delivered": sorted(list(key) for key in list(self._delivered)),
            "counts": dict(self._counts),
            "refused": dict(self._refused),
            "ages": self._ages,
            "down": self.down_seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`; questions whose answers were not delivered are asked again, word for word.

        Those that were answered before the kill come from the cache of paid answers.
        """
        for row in state["known"]:
            evidence = tuple((int(step), str(name)) for step, name in row["evidence"])
            relabel = Relabel(row["text"], tuple(row["goals"]), row["ordered"], evidence)
            self._know(relabel)
            self._once(relabel)
        self._delivered = {tuple(key) for key in state["delivered"]}
        self._asked = set(self._delivered)
        self._counts, self._refused = Counter(state["counts"]), Counter(state["refused"])
        self._ages, self._down = list(state["ages"]), float(state["down"])

    def resume(self) -> None:
        """Queue the questions of the run folder that were not answered before it was killed."""
        if self.run is None:
            return
        self.run.cut_back(QUESTIONS, 1 << 62)  # a last line that the kill cut off
        for row in self.run.lines(QUESTIONS):
            happened = tuple((int(s), int(e)) for s, e in row["happened"])
            snapshot = Snapshot(happened, int(row["length"]), int(row["step"]))
            key = self._key(snapshot)
            if key not in self._asked:
                self._asked.add(key)
                self._waiting.append(snapshot)

    def close(self) -> None:
        """Stop asking; what is under way is dropped."""
        if not self._closed:
            self._closed = True
            self.endpoint.close()
            self._worker.shutdown(wait=False, cancel_futures=True)
