"""A language model proposes what trajectories achieved, in the background. Training passes snapshots and never waits.

Snapshots of trajectories with new sets of events are sent to a chat endpoint. A worker thread filters, grounds and
deduplicates the candidates, and training fetches them later. Before the first usable answer, and while the endpoint
fails, templates relabel exactly as they do without a language model.
"""

import contextlib
import math
import threading
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.relabeling.availability import Availability
from hindsight_rl.agent.relabeling.forms import form
from hindsight_rl.agent.relabeling.grounding import Rejected, filtered, ground
from hindsight_rl.agent.relabeling.known import KnownRelabels
from hindsight_rl.agent.relabeling.relabeler import Delivery, Relabel, Relabeler
from hindsight_rl.agent.relabeling.snapshot import Snapshot
from hindsight_rl.agent.reward.semantic import InstructionError, SemanticReward
from hindsight_rl.endpoint import Answer, Endpoint, EndpointError, MalformedAnswer
from hindsight_rl.run import Run

QUESTIONS = "questions.jsonl"


@dataclass
class LlmRules:
    """Settings of relabeling by a language model."""

    form: Literal["json", "lines"] = "json"
    """How the model is asked. `json`: by rules and a JSON schema, with the steps that prove each instruction. `lines`:
    by two examples, for one command on each line, which small models can do; the steps are then looked for."""
    share: float = 0.5
    """Largest share of a trajectory's relabels that is the model's; the others come from templates. A weak model names
    the same few things for every trajectory; with 1 these leave no room for what templates find."""
    candidates: int = 6
    """Number of instructions (K) that the model is asked for per trajectory, in one answer."""
    pending: int = 16
    """Maximum number of trajectories that wait for an answer. Further trajectories are skipped."""
    same: float = 0.95
    """Two instructions for the same events are duplicates if their cosine is at least this."""


class LlmRelabeler:
    """Relabeling by a language model in the background of training; see
    :class:`hindsight_rl.agent.relabeling.relabeler.RelabelSource`.

    Args:
        endpoint: the chat endpoint; closed together with this object.
        reward: used to verify candidates.
        rules: see :class:`LlmRules`.
        run: stores the questions, so that a resumed run asks the same ones; None: they are not stored.
        scene: the first sentence of the prompt, from the environment.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        reward: SemanticReward,
        rules: LlmRules,
        run: Run | None = None,
        scene: str = Environment.scene,
    ):
        self.endpoint, self.reward, self.rules, self.run = endpoint, reward, rules, run
        self.events = reward.events
        self.form = form(rules.form, scene)
        self._open = np.array([event.trained for event in self.events])
        self._asked: set[tuple[int, ...]] = set()
        self._delivered: set[tuple[int, ...]] = set()
        self._under_way: dict[tuple[int, ...], Snapshot] = {}
        self._waiting: deque[Snapshot] = deque()
        self._ready: deque[tuple[Snapshot, list[Relabel | Rejected], list[str]]] = deque()
        self._known = KnownRelabels(self.events, reward, rules.same)
        self._availability = Availability()
        self._counts: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._ages: list[int] = []
        self._lock = threading.Lock()
        self._templates: Relabeler | None = None
        self._rarity = np.zeros(len(self.events))
        self._step = 0
        self._closed = False
        # One worker only: texts are encoded one after another, and the other cores are free for training.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="grounding")

    def at(self, step: int, templates: Relabeler, rarity: np.ndarray) -> "LlmRelabeler":
        """Called before each relabeling with the training step, the fallback relabeler and the rarity of each event."""
        self._step, self._templates, self._rarity = step, templates, rarity
        return self

    @property
    def standing_in(self) -> bool:
        """Are templates used instead? True until the first usable answer, and while the endpoint fails."""
        return not len(self._known) or self._availability.down

    def propose(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        """Up to k instructions that this trajectory fulfils: some of the language model's, the others by templates."""
        assert self._templates is not None
        if not self.standing_in:
            found = self._known.find(np.asarray(events, bool), math.ceil(k * self.rules.share), self._rarity, rng)
            if found:
                return found + (self._templates.propose(events, k - len(found), rng) if len(found) < k else [])
        self._counts["template_trajectories"] += 1
        return self._templates.propose(events, k, rng)

    def watch(self, trajectories: Sequence[np.ndarray]) -> None:
        """Take snapshots of trajectories with new sets of events, the rarest first, as long as there is room. Does not
        block.

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
            snapshot = Snapshot.of(fresh[key], self._step)
            self._asked.add(key)
            if self.run is not None:
                self.run.append(QUESTIONS, {"prompt": self.form.version, **asdict(snapshot)})
            self._send(key, snapshot)

    def _may_ask(self) -> bool:
        return self._availability.may_ask(len(self._under_way))

    def _resend(self) -> None:
        while self._waiting and self._may_ask():
            snapshot = self._waiting.popleft()
            self._send(self._key(snapshot), snapshot)

    def _key(self, snapshot: Snapshot) -> tuple[int, ...]:
        return tuple(sorted({event for _, event in snapshot.happened if self._open[event]}))

    def _send(self, key: tuple[int, ...], snapshot: Snapshot) -> None:
        self._under_way[key] = snapshot
        self._counts["asked"] += 1
        future = self.endpoint.submit(self.form.question(snapshot, self.events, self.rules.candidates))
        future.add_done_callback(lambda done: self._arrived(key, snapshot, done))

    def _arrived(self, key: tuple[int, ...], snapshot: Snapshot, done: "Future[Answer]") -> None:
        """Runs in the endpoint's thread: record the outcome and pass the answer to the worker."""
        if self._closed or done.cancelled():
            return
        error = done.exception()
        if error is None or isinstance(error, MalformedAnswer):
            self._count("answered" if error is None else "malformed")
            self._availability.answered()
        else:
            self._count("failed")
            self._availability.failed(error)
            if not isinstance(error, EndpointError):
                self._availability.trouble = f"{type(error).__name__}: {error}"
        if error is None:
            with contextlib.suppress(RuntimeError):  # closed in the meantime
                self._worker.submit(self._grounded, key, snapshot, done.result())
            return
        self._under_way.pop(key, None)
        if isinstance(error, MalformedAnswer):
            self._delivered.add(key)
        else:
            self._waiting.append(snapshot)  # nothing is lost: the question is asked again when the endpoint works

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _grounded(self, key: tuple[int, ...], snapshot: Snapshot, answer: Answer) -> None:
        """Runs in the worker: turn each candidate into a relabel or a reason for rejection."""
        results: list[Relabel | Rejected] = []
        texts: list[str] = []
        try:
            events = snapshot.events(len(self.events))
            said = self.form.read(answer)[: 2 * self.rules.candidates]
            self._encode([candidate.instruction for candidate in said])
            for candidate in said:
                made = ground(candidate.instruction, candidate.steps, events, self.reward, self.form.text)
                if isinstance(made, Relabel):
                    made = self._known.once(made)
                results.append(made)
                texts.append(candidate.instruction[:400])
            if not said:
                self._counts["empty"] += 1
        except Exception as error:  # otherwise the worker would die and relabeling would stop silently
            self._availability.trouble = f"{type(error).__name__}: {error}"
            self._counts["worker_errors"] += 1
        self._under_way.pop(key, None)
        self._ready.append((snapshot, results, texts))

    def _encode(self, texts: Sequence[str]) -> None:
        """Encode all sentences that grounding needs in one batch, which is much faster than one by one."""
        wanted = [text for text in texts if not filtered(text, self.form.text)]
        parsed: list[str] = []
        for text in wanted:
            with contextlib.suppress(InstructionError):
                parsed += self.reward.reader.commands(text)
        if wanted:
            self.reward.embed([*wanted, *parsed])

    def delivered(self) -> list[Delivery]:
        """Relabels that became ready since the last call, accepted and rejected. Does not block."""
        made = []
        while self._ready:
            snapshot, results, texts = self._ready.popleft()
            self._delivered.add(self._key(snapshot))
            events = snapshot.events(len(self.events))
            age = max(0, self._step - snapshot.step)
            self._ages.append(age)
            origin = {
                "source": "llm",
                "model": self.endpoint.settings.model,
                "prompt": self.form.version,
                "age": age,
            }
            for result, text in zip(results, texts, strict=True):
                if isinstance(result, Relabel):
                    self._counts["accepted"] += 1
                    made.append(Delivery(result.text, result, None, events, origin))
                    self._known.add(result)
                else:
                    self._rejected[result.kind] += 1
                    made.append(Delivery(text, None, f"{result.kind}: {result.reason}", events, origin))
        return made

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
            "rejected": dict(sorted(self._rejected.items())),
            "under_way": len(self._under_way),
            "waiting": len(self._waiting),
            "known": len(self._known),
            "age_mean": round(float(np.mean(ages))) if ages else None,
            "age_max": max(ages) if ages else None,
            "down_seconds": round(self._availability.down_seconds, 1),
            "budget_spent": self._availability.budget_spent,
            "trouble": self._availability.trouble,
            "endpoint": self.endpoint.usage.snapshot(),
        }  # fmt: skip
        return {"llm": made}

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {
            "known": [asdict(relabel) for relabel in self._known.relabels],
            "delivered": sorted(list(key) for key in list(self._delivered)),
            "counts": dict(self._counts),
            "rejected": dict(self._rejected),
            "ages": self._ages,
            "down": self._availability.down_seconds,
            "usage": dict(self.endpoint.usage.counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`; questions without a delivered answer are asked again, with the same text.

        Answers that were received before the process was killed come from the cache.
        """
        for row in state["known"]:
            evidence = tuple((int(step), str(name)) for step, name in row["evidence"])
            relabel = Relabel(row["text"], tuple(row["goals"]), row["ordered"], evidence)
            self._known.add(relabel)
            self._known.once(relabel)
        self._delivered = {tuple(key) for key in state["delivered"]}
        self._asked = set(self._delivered)
        self._counts, self._rejected = Counter(state["counts"]), Counter(state["rejected"])
        self._ages = list(state["ages"])
        self._availability.restore(float(state["down"]))
        self.endpoint.usage.restore(state.get("usage", {}))

    def resume(self) -> None:
        """Queue the questions in the run folder that were not answered before the process was killed."""
        if self.run is None:
            return
        self.run.cut_back(QUESTIONS, 1 << 62)  # the last line may be incomplete
        for row in self.run.lines(QUESTIONS):
            happened = tuple((int(s), int(e)) for s, e in row["happened"])
            snapshot = Snapshot(happened, int(row["length"]), int(row["step"]))
            key = self._key(snapshot)
            if key not in self._asked:
                self._asked.add(key)
                self._waiting.append(snapshot)

    def close(self) -> None:
        """Stop; calls in progress are dropped."""
        if not self._closed:
            self._closed = True
            self.endpoint.close()
            self._worker.shutdown(wait=False, cancel_futures=True)
