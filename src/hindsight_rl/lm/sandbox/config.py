"""The settings of training in the sandbox, and what is wrong with them."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.methods import Layout, Method, method
from hindsight_rl.lm.sandbox.instructions import MOST_DEMANDS
from hindsight_rl.lm.sandbox.model import ModelRules
from hindsight_rl.lm.sandbox.pretrain import PretrainRules
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.replay.config import BufferConfig, ReplayConfig, RewriterName
from hindsight_rl.replay.selection import Scope, Strategy
from hindsight_rl.run import known_settings

FAILURES = 8
"""Failures that a method replays per prompt; with 8 rollouts of each, all of them."""
BUFFER_ROWS = 64
"""Rows per prompt that a method with a replay buffer trains on again."""


@dataclass(frozen=True)
class ReplayRules:
    """Which failures are replayed; what is absent is the method's own choice."""

    rewriter: RewriterName | None = None
    """`drop`, `retarget` or `keep`, for the methods that replay."""
    replays_per_prompt: int | None = None
    """The budget of a step is this times its prompts, relabels included; absent, 8 failures with their relabels."""
    relabels: int | None = None
    """Relabels per failure: its own instruction, rewritten, and others made of the batch's constraints."""
    strategy: Strategy | None = None
    """`curriculum`, `random`, `integrity` or `diversity`."""
    layout: Layout | None = None
    """Of rewritten instructions: `list` as the originals, `numbered`, `bullets`, `bare`, `mixed` (one of these by
    chance) or `shuffled` (a list in another order)."""
    repeat: bool = False
    """A control: in place of replays as many rollouts a second time."""
    scope: Scope = "batch"
    """`batch` (as released) or `group` (the paper's text)."""
    lambda_start: float = 2.0
    """Weight of integrity before the first step."""
    lambda_growth: float = 0.05
    """Growth of that weight per step."""
    lambda_cap: float = float("inf")
    """The most that the weight becomes."""
    closed: bool = True
    """Drop with a constraint what presupposes it."""
    buffer_rows_per_prompt: int | None = None
    """Rows of earlier steps (replays and successes) that are trained on again, times the prompts of a step; 0 for no
    replay buffer; absent, 64 for a method that has one."""
    buffer_capacity: int = 200_000
    """Replays that the replay buffer keeps, the newest, and as many successes."""
    buffer_successes: float = 0.5
    """Share of the rows from the buffer that are successes, where there are so many; the others are replays."""


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
    """Methods to train, by commas."""
    constraints: str = "7-8"
    """Constraints per instruction: a number or a range."""
    rollouts: int = 30_720
    """Of every arm."""
    reward: Literal["all", "fraction"] | None = None
    """Of the rollouts: 1 if all constraints hold, or the share that holds; the method's own when absent."""
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
    replay: Annotated[ReplayRules, tyro.conf.OmitArgPrefixes] = field(default_factory=ReplayRules)
    update: UpdateRules = field(default_factory=UpdateRules)
    reinforce: Annotated[ReinforceRules, tyro.conf.OmitArgPrefixes] = field(default_factory=ReinforceRules)

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

    def chosen(self, name: str) -> Method:
        """The method as it is run: its own choices, and those settings that override them."""
        own, rules = method(name), self.replay
        return dataclasses.replace(
            own,
            rewriter=(rules.rewriter or own.rewriter) if own.rewriter else None,
            reward=self.reward or own.reward,
            strategy=rules.strategy or own.strategy,
            layout=rules.layout or own.layout,
            repeat=rules.repeat or own.repeat,
            relabels=rules.relabels or own.relabels,
            buffer=own.buffer if rules.buffer_rows_per_prompt is None else rules.buffer_rows_per_prompt > 0,
            learning_rate=self.update.learning_rate or own.learning_rate,
            decay=own.decay if self.update.decay is None else self.update.decay,
        )

    def added(self, name: str) -> int:
        """Rows per prompt that the method adds to a step, the replay buffer's aside."""
        usual = int(self.chosen(name).settings(failures=FAILURES, buffer_rows=0)["replays_per_prompt"])
        given = self.replay.replays_per_prompt
        return given if usual and given is not None else usual

    def replay_config(self, name: str) -> ReplayConfig:
        """The replay of a method as it is run."""
        chosen, rules = self.chosen(name), self.replay
        return ReplayConfig(
            rewriter=chosen.rewriter or "drop",
            replays_per_prompt=0 if chosen.repeat else self.added(name),
            relabels=chosen.relabels,
            strategy=chosen.strategy,
            scope=rules.scope,
            lambda_start=rules.lambda_start,
            lambda_growth=rules.lambda_growth,
            lambda_cap=rules.lambda_cap,
            closed=rules.closed,
            distinct=False,  # as in the published results, which this must reproduce
            seed=self.seed,
        )

    def buffer_config(self, name: str) -> BufferConfig:
        """The replay buffer of a method as it is run."""
        rules = self.replay
        usual = self.chosen(name).settings(failures=0, buffer_rows=BUFFER_ROWS)["buffer_rows_per_prompt"]
        rows = usual if rules.buffer_rows_per_prompt is None else rules.buffer_rows_per_prompt
        return BufferConfig(rows, rules.buffer_capacity, rules.buffer_successes)

    def checked(self) -> "SandboxConfig":
        """The same settings, or a HindsightError that names the bad one."""
        if not self.names:
            raise HindsightError("--arms is empty: name one, e.g. --arms retarget")
        for name in self.names:
            method(name)
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
            ("buffer-capacity", self.replay.buffer_capacity),
            ("relabels", 1 if self.replay.relabels is None else self.replay.relabels),
        ):
            if value < 1:
                raise HindsightError(f"--{place} {value}: must be at least 1")
        for place, value in (
            ("replays-per-prompt", self.replay.replays_per_prompt or 0),
            ("buffer-rows-per-prompt", self.replay.buffer_rows_per_prompt or 0),
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
            ("buffer-successes", self.replay.buffer_successes),
            ("update.decay", self.update.decay or 0.0),
            ("replay-end", self.reinforce.replay_end),
            ("replay-hold", self.reinforce.replay_hold),
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
    if values["replay"]["lambda_cap"] == float("inf"):
        values["replay"]["lambda_cap"] = None
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
    values = known_settings(stored, (field.name for field in dataclasses.fields(SandboxConfig)), where)
    try:
        if values["replay"]["lambda_cap"] is None:
            values["replay"] = {**values["replay"], "lambda_cap": float("inf")}
        return SandboxConfig(**{name: parts[name](**v) if name in parts else v for name, v in values.items()})
    except (TypeError, KeyError) as error:
        raise HindsightError(f"{where} is of another version: {error}") from error
