"""Training of one method, step by step: rollouts, verdicts, replays, updates. A resumed run gives the same results."""

import dataclasses
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hindsight_rl.atomic_files import replacing
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.judge_noise import NoisyVerifier
from hindsight_rl.lm.sandbox import reinforce
from hindsight_rl.lm.sandbox.batch import Batch, assemble
from hindsight_rl.lm.sandbox.config import SandboxConfig
from hindsight_rl.lm.sandbox.evaluate import Evaluator
from hindsight_rl.lm.sandbox.model import Model, padded
from hindsight_rl.lm.sandbox.preferences import Probe
from hindsight_rl.lm.sandbox.pretrain import load_base
from hindsight_rl.lm.sandbox.sampler import Sampled, sample
from hindsight_rl.lm.sandbox.two_anchors import temperatures
from hindsight_rl.replay.item import ReplayItem
from hindsight_rl.replay.replayer import Replayed, Replayer
from hindsight_rl.replay.rollout import Rollout
from hindsight_rl.replay.verification import AnswerVerifier, Checks, verify_batch, verifying

# Streams of random numbers; all methods of a seed get the same instructions.
INSTRUCTIONS, SELECTION, ORDER = 1, 2, 3


@dataclass
class Totals:
    """Totals of a method so far. rows: rows trained on, replays included."""

    step: int = 0
    rollouts: int = 0
    rows: int = 0
    replays: int = 0
    updates: int = 0
    skipped: int = 0
    too_long: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    skipped_in_a_row: int = 0


@dataclass
class Attempts:
    """The policy's work of a step: P prompts [P, L], K responses to each, and the P * K rollouts in this order."""

    prompts: Tensor
    sampled: Sampled
    rollouts: list[Rollout]


class Learner:
    """Trains one method from a base model.

    Args:
        config: the settings.
        name: of the method.
        base: file of the base model.
    """

    def __init__(self, config: SandboxConfig, name: str, base: Path):
        self.config, self.name, self.method = config, name, config.chosen(name)
        self.task, self.source = config.the_task, config.source()
        self.model = load_base(base, config.model, self.task)
        self.base: Model | None = None
        if config.reinforce.kl or self.method.two_anchors:
            self.base = load_base(base, config.model, self.task)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), self.method.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self.rngs = {n: np.random.default_rng([config.seed, n]) for n in (INSTRUCTIONS, SELECTION, ORDER)}
        self.generator = torch.Generator().manual_seed(config.seed)
        self.totals = Totals()
        self.evaluator = Evaluator(self.task, config.source(held_out=True), config.seed, config.test)
        erring = verifying(NoisyVerifier(Checks(), config.judge, config.seed)) if config.judge.any else None
        self.verify = erring.verify_batch if erring else verify_batch
        self.replayer = self._replayer(erring)
        self.probe: Probe | None = None
        if config.probe:
            held_out = config.source(held_out=True)
            self.probe = Probe(load_base(base, config.model, self.task), held_out, config.seed, config.probe)
        rules = config.buffer_config(name)
        self.buffer, self.buffer_rows = rules.buffer(), rules.buffer_rows_per_prompt * config.update.prompts
        self.examples: list[dict[str, Any]] = []

    def _replayer(self, erring: AnswerVerifier | None) -> Replayer:
        """The replayer of the method; the control that replays under the unchanged instruction verifies nothing."""
        rules = self.config.replay_config(self.name)
        plain = Replayer(rules)
        keeps = rules.rewriter == "keep" and erring is None
        return Replayer(
            rules,
            rewriter=self.task.rewriter(plain.rewriter),
            verifier=plain.verifier if keeps else self.task.verifier(erring),
            rng=self.rngs[SELECTION],
        )

    @property
    def finished(self) -> bool:
        """All steps are done."""
        return self.totals.step >= self.config.steps

    def advance(self) -> dict[str, Any]:
        """One step of training.

        Returns:
            its metrics; some rewrites are kept in :attr:`examples`.

        Raises:
            HindsightError: the policy or its updates are not finite.
        """
        began, began_cpu = time.perf_counter(), time.process_time()
        totals, epochs = self.totals, self.config.update.epochs
        totals.step += 1
        attempts = self._attempts()
        found = self._replays(attempts.rollouts)
        buffered = self.buffer.draw(self.buffer_rows, self.rngs[SELECTION]) if self.buffer is not None else []
        batch = self._batch(attempts, [*found.replays, *buffered])
        losses, norms = self._learn(batch)
        self._keep(attempts.rollouts, found)
        totals.rollouts += len(attempts.rollouts)
        totals.replays += len(found.replays)
        totals.rows += (len(attempts.rollouts) + len(batch.items)) * epochs + self._extra() * self.config.update.samples
        totals.too_long = self.source.too_long
        totals.seconds += time.perf_counter() - began
        totals.cpu_seconds += time.process_time() - began_cpu
        costs = {"loss": _finite(losses), "gradient": _finite(norms), "buffer_rows": len(buffered)}
        return self._metrics(attempts, found) | costs

    def _attempts(self) -> Attempts:
        """New instructions, responses to them, and their verdicts."""
        rules = self.config.update
        drawn = [self.source.draw(self.rngs[INSTRUCTIONS])[0] for _ in range(rules.prompts)]
        prompts = padded([self.task.prompt_tokens(each) for each in drawn])
        try:
            spread = temperatures(rules.samples) if self.method.two_anchors else None
            environment = self.task.environment(drawn, rules.samples)
            sampled = sample(
                self.model, prompts, rules.samples, self.generator, temperatures=spread, environment=environment
            )
        except HindsightError as error:
            raise HindsightError(f"arm {self.name}, step {self.totals.step}: {error}; {self._mend()}") from None
        entropies = sampled.entropy.flatten().tolist()
        texts = sampled.texts()
        groups = [row // rules.samples for row in range(len(texts))]
        pairs = [(drawn[group], text) for group, (text, _) in zip(groups, texts, strict=True)]
        verdicts = self.verify(pairs)
        rollouts = [
            Rollout(drawn[group], text, verdict, group, entropy, complete)
            for group, (text, complete), verdict, entropy in zip(groups, texts, verdicts, entropies, strict=True)
        ]
        return Attempts(prompts, sampled, rollouts)

    def _keep(self, rollouts: list[Rollout], found: Replayed[str]) -> None:
        """Add replays and successful rollouts to the replay buffer."""
        if self.buffer is not None:
            done = (each for each in rollouts if each.succeeded and each.complete)
            self.buffer.keep(found.replays, (ReplayItem(None, each.instruction.prompt, each.response) for each in done))

    def _replays(self, rollouts: list[Rollout]) -> Replayed[str]:
        """The replays of a step, with prompts in the method's layout."""
        found = self.replayer.replay(rollouts, self.totals.step)
        found = replace(found, replays=[replace(each, prompt=self._laid_out(each)) for each in found.replays])
        if self.replayer.config.replays_per_prompt:
            shown = [each for each in found.replays if each.own][: self.config.examples]
            self.examples = [self._example(each, rollouts) for each in shown]
        return found

    def _example(self, item: ReplayItem[str], rollouts: list[Rollout]) -> dict[str, Any]:
        """A rewrite as a row of `rewrites.jsonl`."""
        assert item.source is not None and item.rewrite is not None
        source = rollouts[item.source]
        texts = item.rewrite.instruction.texts
        return {
            "step": self.totals.step,
            "rollouts": self.totals.rollouts + len(rollouts),
            "prompt": source.instruction.prompt,
            "response": source.response,
            "verdict": source.verdict,
            "rewritten": item.prompt,
            "texts": [list(source.instruction.texts), list(texts)],
            "changed": list(item.rewrite.changed),
            "dropped": list(item.rewrite.dropped),
            "score": round(item.score, 4),
        }

    def _batch(self, attempts: Attempts, items: list[ReplayItem[str]]) -> Batch:
        fraction = self.method.reward == "fraction"
        rewards = [each.integrity if fraction else float(each.succeeded) for each in attempts.rollouts]
        rules = self.config.reinforce
        share = reinforce.replay_share(rules, self.totals.step / self.config.steps)
        rules = replace(rules, replay_advantage=rules.replay_advantage * share)
        penalised = self.base if rules.kl else None
        batch = assemble(self.model, penalised, attempts.prompts, attempts.sampled, rewards, items, rules)
        if self.method.two_anchors:
            samples = self.config.update.samples
            constraints = [len(each.instruction.constraints) for each in attempts.rollouts[::samples]]
            own = self.config.two_anchors.advantages(torch.tensor(rewards).view(-1, samples), constraints)
            batch.advantage = own.flatten()[:, None] * batch.originals.mask.flatten(0, 1)
        return batch

    def _laid_out(self, item: ReplayItem[str]) -> str:
        asked, rng = item.instruction, self.rngs[SELECTION]
        if self.method.layout == "shuffled":
            return self.task.laid_out(asked, "list", rng.permutation(len(asked.constraints)).tolist()).prompt
        if self.method.layout == "mixed":
            return self.task.laid_out(asked, str(rng.choice(list(self.task.layouts)))).prompt
        return item.prompt if self.method.layout == "list" else self.task.laid_out(asked, self.method.layout).prompt

    def _extra(self) -> int:
        """Prompts that are trained on a second time."""
        rules = self.config.update
        rows = self.config.added(self.name) * rules.prompts
        return min(rows // rules.samples, rules.prompts) if self.method.repeat else 0

    def _learn(self, batch: Batch) -> tuple[list[float], list[float]]:
        """Gradient steps on minibatches of whole groups; each prompt is in the same minibatch as its replays."""
        rules, totals = self.config.update, self.totals
        p, k = batch.originals.tokens.shape[:2]
        places = np.asarray(batch.groups, int)
        share = 1.0 - (1.0 - self.method.decay) * (totals.step - 1) / max(self.config.steps - 1, 1)
        for group in self.optimizer.param_groups:
            group["lr"] = self.method.learning_rate * share
        losses, norms = [], []
        for _ in range(rules.epochs):
            order = self.rngs[ORDER].permutation(p)
            order = np.concatenate([order, order[: self._extra()]])
            parts = min(math.ceil((len(order) * k + len(places)) / rules.minibatch), len(order))
            for chosen in np.array_split(order, parts):
                # A prompt that is used twice brings its replays twice; only methods without replays do that.
                replays = torch.from_numpy(np.flatnonzero(np.isin(places, chosen)))
                value, norm = self._update(batch, torch.from_numpy(chosen), replays)
                losses.append(value)
                norms.append(norm)
        return losses, norms

    def _update(self, batch: Batch, chosen: Tensor, replays: Tensor) -> tuple[float, float]:
        rules = self.config.update
        own, replay_rows = batch.originals, batch.replays
        p, k, t = own.tokens.shape
        lengths = (own.prompts[chosen] != 0).sum(1).max()
        log_probs = self.model.log_probs(own.prompts[chosen, :lengths], own.tokens[chosen]).flatten(0, 1)
        old, mask = own.old[chosen].flatten(0, 1), own.mask[chosen].flatten(0, 1)
        advantage = batch.advantage[: p * k].view(p, k, t)[chosen].flatten(0, 1)
        replayed = torch.zeros(len(mask), dtype=torch.bool)
        if len(replays):
            now = self.model.log_probs(replay_rows.prompts[replays], replay_rows.tokens[replays][:, None])[:, 0]
            log_probs = torch.cat((log_probs, now))
            # Rows from the buffer are imitated: with old = new the ratio is 1; the gradient is the log-likelihood's.
            before = torch.where((replays >= batch.fresh)[:, None], now.detach(), replay_rows.old[replays])
            old, mask = torch.cat((old, before)), torch.cat((mask, replay_rows.mask[replays]))
            advantage = torch.cat((advantage, batch.advantage[p * k :][replays]))
            replayed = torch.cat((replayed, torch.ones(len(replays), dtype=torch.bool)))
        value = reinforce.loss(log_probs, old, advantage, mask, replayed, self.config.reinforce)
        if self.method.two_anchors:
            assert self.base is not None
            with torch.no_grad():
                base = self.base.log_probs(own.prompts[chosen, :lengths], own.tokens[chosen]).flatten(0, 1)
            value = value + self.config.two_anchors.penalty(log_probs, base, advantage, mask)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), rules.gradient_clip))
        self.totals.updates += 1
        if math.isfinite(norm) and math.isfinite(value.item()):
            self.optimizer.step()
            self.totals.skipped_in_a_row = 0
        else:
            self.totals.skipped += 1
            self.totals.skipped_in_a_row += 1
            if self.totals.skipped_in_a_row >= rules.patience:
                raise HindsightError(
                    f"arm {self.name}, step {self.totals.step}: {rules.patience} updates in a row were not finite; "
                    + self._mend()
                )
        return value.item(), norm

    def _mend(self) -> str:
        return f"lower --update.learning-rate (now {self.method.learning_rate})"

    def _metrics(self, attempts: Attempts, found: Replayed[str]) -> dict[str, Any]:
        rollouts, sampled, samples = attempts.rollouts, attempts.sampled, self.config.update.samples
        reward = np.array([each.succeeded for each in rollouts], float).reshape(-1, samples)
        fraction = np.array([each.integrity for each in rollouts]).reshape(-1, samples)
        own = fraction if self.method.reward == "fraction" else reward
        return {
            "arm": self.name,
            "step": self.totals.step,
            "rollouts": self.totals.rollouts,
            "success": round(float(reward.mean()), 4),
            "fraction": round(float(fraction.mean()), 4),
            "no_signal": round(float((own.max(1) == own.min(1)).mean()), 4),
            "entropy": round(float(sampled.entropy.mean()), 4),
            "length": round(float(sampled.mask.sum(-1).mean()), 3),
            "truncated": round(sum(not each.complete for each in rollouts) / len(rollouts), 4),
            "replays": len(found.replays),
            "candidates": found.candidates,
            "rejected": found.rejected,
            "lambda": round(found.weight, 4),
            "diversity": round(found.diversity, 4),
            "integrity": round(found.integrity, 4),
            "kept": round(found.kept, 4),
            **{
                name: round(value, 3) if isinstance(value, float) else value
                for name, value in dataclasses.asdict(self.totals).items()
                if name in ("rows", "updates", "skipped", "too_long", "seconds", "cpu_seconds")
            },
        }

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
        tensors["generator"] = self.generator.get_state()
        if self.buffer is not None:
            tensors["buffer"] = torch.frombuffer(bytearray(self.buffer.to_bytes()), dtype=torch.uint8)
        host = {
            "totals": dataclasses.asdict(self.totals),
            "rngs": {str(n): rng.bit_generator.state for n, rng in self.rngs.items()},
        }
        with replacing(path) as partial:
            save_file({name: value.clone() for name, value in tensors.items()}, partial, {"host": json.dumps(host)})

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            HindsightError: it is damaged, or was made with other settings.
        """
        try:
            with safe_open(path, "pt") as file:
                host = json.loads(file.metadata()["host"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state = {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
            self.model.load_state_dict(state)
            if self.buffer is not None:
                self.buffer.load_bytes(bytes(tensors["buffer"].numpy()))
        except (SafetensorError, RuntimeError, KeyError, TypeError, OSError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise HindsightError(
                f"checkpoint {path} is damaged ({reason}): delete it to train that arm from the start"
            ) from error
        whole = self.optimizer.state_dict()
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, number, part = name.split(".")
                whole["state"].setdefault(int(number), {})[part] = value.clone()
        self.optimizer.load_state_dict(whole)
        self.generator.set_state(tensors["generator"].clone())
        for n, rng in self.rngs.items():
            rng.bit_generator.state = host["rngs"][str(n)]
        self.totals = Totals(**host["totals"])
        self.source.too_long = self.totals.too_long


def _finite(values: list[float]) -> float | None:
    """The mean; None (null in JSON) if it is not finite."""
    mean = sum(values) / len(values) if values else 0.0
    return round(mean, 6) if math.isfinite(mean) else None
