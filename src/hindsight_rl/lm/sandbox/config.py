"""The settings of training in the sandbox, and what is wrong with them."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.arms import Arm, arm
from hindsight_rl.lm.sandbox.instructions import MOST_DEMANDS
from hindsight_rl.lm.sandbox.model import ModelRules
from hindsight_rl.lm.sandbox.pretrain import PretrainRules
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.replay.replayer import Scope, Strategy


@dataclass(frozen=True)
class ReplayRules:
    """Which failures are replayed, in the arms that replay."""

    per_prompt: int = 8
    """Failures replayed per prompt, on average over the batch; with --replay.scope group at most as many of each."""
    names: int | None = None
    """Instructions that each of them is replayed under: its own, rewritten, and those of other prompts, rewritten to
    what it achieved; the arm's own when absent."""
    memory: int | None = None
    """Rows of earlier steps trained on again beside each step, as far as there are so many: replays, and what
    succeeded at once; 0 for none, the arm's own when absent."""
    capacity: int = 200_000
    """Replays that the memory keeps, the newest, and as many successes."""
    successes: float = 0.5
    """Share of the rows from memory that are successes, where there are so many; the others are replays."""
    scope: Scope = "batch"
    """`batch` (as released) or `group` (the paper's text)."""
    strategy: Strategy | None = None
    """`curriculum`, `random`, `integrity` or `diversity`; the arm's own when absent."""
    start: float = 2.0
    """Lambda before the first step."""
    growth: float = 0.05
    """Of lambda, per step."""
    cap: float = float("inf")
    """The most that lambda becomes."""
    closed: bool = True
    """Leave out what presupposes a constraint that is left out."""


@dataclass(frozen=True)
class UpdateRules:
    """How a batch of rollouts becomes updates."""

    prompts: int = 32
    """Prompts per step."""
    samples: int = 8
    """Rollouts per prompt."""
    minibatch: int = 64
    """Rows per gradient step, replays included."""
    epochs: int = 1
    learning_rate: float | None = None
    """Of AdamW; the arm's own when absent."""
    decay: float | None = None
    """The learning rate at the end, as a share of that at the start, linear; the arm's own when absent."""
    gradient_clip: float = 1.0
    patience: int = 20
    """Updates in a row that are left out because they are not finite, before an arm is given up."""


@dataclass
class SandboxConfig:
    """Train a tiny model in the sandbox; the defaults suit a laptop."""

    arms: str = "rlvr,fraction,hir,retarget"
    """Names, by commas."""
    constraints: str = "7-8"
    """Constraints per instruction: a number or a range."""
    rollouts: int = 30_720
    """Of every arm."""
    seed: int = 0
    out: str = "runs/lm"
    """The run folder to make."""
    resume: bool = False
    """Go on with the run in --out; its own settings are used, finished arms are not run again."""
    json: bool = False
    """Print the accuracy of each arm at each evaluation as JSON, on standard output."""
    dependent: float = 0.0
    """Share of constraints that presuppose another one."""
    evaluations: int = 6
    """During training, beside the one before it; spaced evenly."""
    test: int = 600
    """Fresh instructions per evaluation."""
    examples: int = 2
    """Rewrites kept to look at, per sampled step."""
    checkpoints: int = 6
    jobs: int = 2
    """Arms side by side, one thread each."""
    base: str | None = None
    """Folder of base models; the run's own when absent."""
    model: ModelRules = field(default_factory=ModelRules)
    pretrain: PretrainRules = field(default_factory=PretrainRules)
    replay: ReplayRules = field(default_factory=ReplayRules)
    update: UpdateRules = field(default_factory=UpdateRules)
    reinforce: ReinforceRules = field(default_factory=ReinforceRules)

    @property
    def names(self) -> list[str]:
        """The arms, in order, each once."""
        return list(dict.fromkeys(name.strip() for name in self.arms.split(",") if name.strip()))

    @property
    def regime(self) -> tuple[int, int]:
        """Fewest and most constraints of an instruction."""
        low, _, high = self.constraints.partition("-")
        try:
            return int(low), int(high or low)
        except ValueError:
            raise HindsightError(f"--constraints {self.constraints}: a number, or a range such as 7-8") from None

    @property
    def steps(self) -> int:
        """Training steps of an arm."""
        return self.rollouts // (self.update.prompts * self.update.samples)

    def chosen(self, name: str) -> Arm:
        """The arm as it is run: its own choices, and those settings that override them."""
        own = arm(name)
        return dataclasses.replace(
            own,
            strategy=self.replay.strategy or own.strategy,
            learning_rate=self.update.learning_rate or own.learning_rate,
            decay=own.decay if self.update.decay is None else self.update.decay,
            names=self.replay.names or own.names,
            memory=own.memory if self.replay.memory is None else self.replay.memory,
        )

    def checked(self) -> "SandboxConfig":
        """The same settings, or a HindsightError that names the bad one."""
        if not self.names:
            raise HindsightError("--arms is empty: name one, e.g. --arms retarget")
        for name in self.names:
            arm(name)
        low, high = self.regime
        if not 1 <= low <= high <= MOST_DEMANDS:
            raise HindsightError(f"--constraints {self.constraints}: between 1 and {MOST_DEMANDS}, the lower one first")
        for place, value in (
            ("test", self.test),
            ("jobs", self.jobs),
            ("update.prompts", self.update.prompts),
            ("update.samples", self.update.samples),
            ("update.minibatch", self.update.minibatch),
            ("update.epochs", self.update.epochs),
            ("pretrain.steps", self.pretrain.steps),
            ("pretrain.batch", self.pretrain.batch),
            ("replay.capacity", self.replay.capacity),
        ):
            if value < 1:
                raise HindsightError(f"--{place} {value}: must be at least 1")
        if self.replay.names is not None and self.replay.names < 1:
            raise HindsightError(f"--replay.names {self.replay.names}: must be at least 1")
        for place, value in (
            ("replay.per-prompt", self.replay.per_prompt),
            ("replay.memory", self.replay.memory or 0),
            ("evaluations", self.evaluations),
            ("examples", self.examples),
            ("checkpoints", self.checkpoints),
            ("seed", self.seed),
        ):
            if value < 0:
                raise HindsightError(f"--{place} {value}: must be at least 0")
        if self.steps < 1:
            least = self.update.prompts * self.update.samples
            raise HindsightError(f"--rollouts {self.rollouts}: a step takes {least}")
        for place, share in (
            ("replay.successes", self.replay.successes),
            ("update.decay", self.update.decay or 0.0),
            ("reinforce.replay-end", self.reinforce.replay_end),
            ("reinforce.replay-hold", self.reinforce.replay_hold),
        ):
            if not 0 <= share <= 1:
                raise HindsightError(f"--{place} {share}: a share between 0 and 1")
        for place, rate in (
            ("update.learning-rate", self.update.learning_rate),
            ("pretrain.learning-rate", self.pretrain.learning_rate),
        ):
            if rate is not None and not 0 < rate < 1:
                raise HindsightError(f"--{place} {rate}: between 0 and 1, e.g. 0.001")
        if not 0 <= self.dependent <= 1:
            raise HindsightError(f"--dependent {self.dependent}: a share between 0 and 1")
        if self.model.width % (2 * self.model.heads):
            raise HindsightError(
                f"--model.width {self.model.width}: must be a multiple of twice --model.heads ({self.model.heads})"
            )
        if self.model.room < 2:
            raise HindsightError(f"--model.context {self.model.context}: no room for a prompt; try 64")
        return self


def to_json(config: SandboxConfig) -> dict[str, Any]:
    """Settings as `config.json` keeps them; an unlimited lambda as null."""
    values = dataclasses.asdict(config)
    if values["replay"]["cap"] == float("inf"):
        values["replay"]["cap"] = None
    return values


def from_json(stored: dict[str, Any], where: str) -> SandboxConfig:
    """Settings of a run made before."""
    parts: dict[str, Any] = {
        "model": ModelRules,
        "pretrain": PretrainRules,
        "replay": ReplayRules,
        "update": UpdateRules,
        "reinforce": ReinforceRules,
    }
    values = {f.name: stored[f.name] for f in dataclasses.fields(SandboxConfig) if f.name in stored}
    try:
        if values["replay"]["cap"] is None:
            values["replay"] = {**values["replay"], "cap": float("inf")}
        return SandboxConfig(**{name: parts[name](**v) if name in parts else v for name, v in values.items()})
    except (TypeError, KeyError) as error:
        raise HindsightError(f"{where} is of another version: {error}") from error
