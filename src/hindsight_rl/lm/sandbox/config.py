"""The settings of training in the sandbox, and their checks."""

import argparse
import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.judge_noise import JudgeErrors
from hindsight_rl.lm.methods import Layout, Method, method
from hindsight_rl.lm.sandbox.model import ModelRules
from hindsight_rl.lm.sandbox.pretrain import PretrainRules
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.lm.sandbox.task import Source, Task
from hindsight_rl.lm.sandbox.tasks import TASKS, TaskName
from hindsight_rl.lm.sandbox.two_anchors import TwoAnchorRules
from hindsight_rl.replay.config import BufferConfig, ReplayConfig, RewriterName
from hindsight_rl.replay.selection import Scope, Strategy
from hindsight_rl.run import known_settings

FAILURES = 8
"""Failures that a method replays per prompt. With 8 rollouts per prompt, this is all of them."""
BUFFER_ROWS = 64
"""Rows per prompt that a method with a replay buffer draws from it."""


@dataclass(frozen=True)
class ReplayRules:
    """Which failures are replayed. Settings that are not given are chosen by the method."""

    rewriter: RewriterName | None = None
    """`drop`, `retarget` or `keep`, for the methods that replay."""
    replays_per_prompt: int | None = None
    """Replays of a step, divided by its prompts; relabels count. By default 8 failures with all their relabels."""
    relabels: int | None = None
    """Relabels per failure: its own instruction, rewritten, and instructions made of constraints of the batch."""
    strategy: Strategy | None = None
    """`curriculum`, `random`, `integrity` or `diversity`."""
    layout: Layout | None = None
    """Layout of rewritten instructions: `list` (the layout of the originals), `numbered`, `bullets`, `bare`, `mixed`
    (one of these, at random) or `shuffled` (a list in another order)."""
    repeat: bool = False
    """A control: instead of replays, train a second time on the same number of rollouts."""
    scope: Scope = "batch"
    """`batch` (as released) or `group` (the paper's text)."""
    lambda_start: float = 2.0
    """Weight of integrity before the first step."""
    lambda_growth: float = 0.05
    """Growth of that weight per step."""
    lambda_cap: float = float("inf")
    """Upper limit of that weight."""
    closed: bool = True
    """If a constraint is dropped, also drop the constraints that presuppose it."""
    buffer_rows_per_prompt: int | None = None
    """Rows drawn from the replay buffer (replays and successes of earlier steps), per prompt of a step. 0: no replay
    buffer. By default 64 for a method that has a buffer."""
    buffer_capacity: int = 200_000
    """The buffer keeps the newest replays, up to this number, and the same number of successes."""
    buffer_successes: float = 0.5
    """Share of successes among the rows drawn from the buffer; the others are replays."""


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
    """Learning rate of AdamW; by default the method's own."""
    decay: float | None = None
    """The learning rate falls linearly to this share of its first value; by default the method's own."""
    gradient_clip: float = 1.0
    patience: int = 20
    """Training of a method stops after this many updates in a row that are not finite. Single ones are skipped."""


@dataclass
class SandboxConfig:
    """Train a tiny model in the sandbox; the defaults suit a laptop."""

    arms: str = "rlvr,fraction,hir,retarget"
    """Methods to train, separated by commas."""
    task: TaskName = "words"
    """`words`: a response of a few words that meets demands. `rooms`: an agent that acts in turns in a house. `--task
    rooms` has defaults of its own (:data:`ROOMS_DEFAULTS`)."""
    constraints: str = "7-8"
    """Constraints per instruction: a number or a range."""
    rollouts: int = 30_720
    """Rollouts that each method trains on."""
    reward: Literal["all", "fraction"] | None = None
    """Reward of a rollout. `all`: 1 if all constraints hold, else 0. `fraction`: the share of constraints that hold. By
    default the method's own."""
    seed: int = 0
    out: str = "runs/lm"
    """The run folder to create."""
    resume: bool = False
    """Continue the run in --out with its own settings. Methods that have finished are skipped."""
    json: bool = False
    """Print the accuracy of each method at each evaluation as JSON, on standard output."""
    dependent: float = 0.0
    """Share of constraints that presuppose another constraint."""
    evaluations: int = 6
    """Evaluations during training, evenly spaced. One more is done before training."""
    test: int = 600
    """New instructions per evaluation."""
    probe: int = 0
    """Instructions of the fixed probe set on which both preferences are measured at each evaluation (see
    :mod:`hindsight_rl.lm.sandbox.preferences`). 0: not measured."""
    attention: int = 0
    """Test instructions on which attention to the constraints' words is measured at each evaluation. 0: only at the
    end, for attention.json."""
    examples: int = 2
    """Rewrites that are saved as examples, per sampled step."""
    checkpoints: int = 6
    jobs: int = 2
    """Methods trained at the same time, one thread each."""
    base: str | None = None
    """Folder of base models; by default the run folder."""
    model: ModelRules = field(default_factory=ModelRules)
    pretrain: PretrainRules = field(default_factory=PretrainRules)
    replay: Annotated[ReplayRules, tyro.conf.OmitArgPrefixes] = field(default_factory=ReplayRules)
    update: UpdateRules = field(default_factory=UpdateRules)
    reinforce: Annotated[ReinforceRules, tyro.conf.OmitArgPrefixes] = field(default_factory=ReinforceRules)
    judge: JudgeErrors = field(default_factory=JudgeErrors)
    """Errors of the verdicts in training. Evaluations always use true verdicts."""
    two_anchors: TwoAnchorRules = field(default_factory=TwoAnchorRules)

    @property
    def names(self) -> list[str]:
        """The methods, in order, without repeats."""
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
    def the_task(self) -> Task:
        """The task."""
        return TASKS[self.task]

    def source(self, *, held_out: bool = False) -> Source:
        """A new source of instructions. held_out: for evaluations."""
        low, high = self.regime
        room = self.model.room(self.the_task)
        return self.the_task.source(low, high, room, dependent=self.dependent, held_out=held_out)

    @property
    def steps(self) -> int:
        """Training steps of a method."""
        return self.rollouts // (self.update.prompts * self.update.samples)

    def chosen(self, name: str) -> Method:
        """The method as it is run: its own choices, replaced by the settings that are given."""
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
        """Rows per prompt that the method adds to a step, without rows from the replay buffer."""
        usual = int(self.chosen(name).settings(failures=FAILURES, buffer_rows=0)["replays_per_prompt"])
        given = self.replay.replays_per_prompt
        return given if usual and given is not None else usual

    def replay_config(self, name: str) -> ReplayConfig:
        """The replay settings of a method as it is run."""
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
            distinct=False,  # the seed of the published results, which must stay reproducible
            repeats=True,
            seed=self.seed,
        )

    def buffer_config(self, name: str) -> BufferConfig:
        """The replay buffer settings of a method as it is run."""
        rules = self.replay
        usual = self.chosen(name).settings(failures=0, buffer_rows=BUFFER_ROWS)["buffer_rows_per_prompt"]
        rows = usual if rules.buffer_rows_per_prompt is None else rules.buffer_rows_per_prompt
        return BufferConfig(rows, rules.buffer_capacity, rules.buffer_successes)

    def checked(self) -> "SandboxConfig":
        """These settings, checked; raises HindsightError with the name of a bad one."""
        if not self.names:
            raise HindsightError("--arms is empty: name one, e.g. --arms retarget")
        for name in self.names:
            method(name)
        low, high = self.regime
        most = self.the_task.most_constraints
        if not 1 <= low <= high <= most:
            raise HindsightError(f"--constraints {self.constraints}: between 1 and {most}, the lower one first")
        if self.task == "rooms" and self.dependent:
            raise HindsightError(f"--dependent {self.dependent}: goals of the task rooms do not presuppose each other")
        for place, value in (
            ("test", self.test),
            ("jobs", self.jobs),
            ("update.prompts", self.update.prompts),
            ("update.samples", self.update.samples),
            ("update.minibatch", self.update.minibatch),
            ("update.epochs", self.update.epochs),
            ("pretrain.steps", self.pretrain.steps),
            ("pretrain.batch", self.pretrain.batch),
            ("model.heads", self.model.heads),
            ("model.layers", self.model.layers),
            ("model.width", self.model.width),
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
            ("probe", self.probe),
            ("attention", self.attention),
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
            ("judge.false-positive", self.judge.false_positive),
            ("judge.false-negative", self.judge.false_negative),
            ("two-anchors.mix", self.two_anchors.mix),
        ):
            if not 0 <= share <= 1:
                raise HindsightError(f"--{place} {share}: a share between 0 and 1")
        for name in self.names:
            chosen = self.chosen(name)
            known = (*self.the_task.layouts, "shuffled", "mixed")
            if chosen.layout not in known:
                raise HindsightError(f"--layout {chosen.layout}: the task {self.task} has {', '.join(known)}")
            if chosen.two_anchors and (chosen.rewriter or chosen.buffer or chosen.reward != "fraction"):
                raise HindsightError(
                    f"--arms {name}: its update knows neither replays nor another reward than fraction"
                )
        for place, rate in (
            ("update.learning-rate", self.update.learning_rate),
            ("pretrain.learning-rate", self.pretrain.learning_rate),
        ):
            if rate is not None and not 0 < rate < 1:
                raise HindsightError(f"--{place} {rate}: between 0 and 1, e.g. 0.001")
        if not 0 <= self.dependent <= 1:
            raise HindsightError(f"--dependent {self.dependent}: a share between 0 and 1")
        if not 1 <= self.pretrain.low <= self.pretrain.high <= most:
            raise HindsightError(
                f"--pretrain.low {self.pretrain.low} and --pretrain.high {self.pretrain.high}: between 1 and {most}, "
                "the lower one first"
            )
        if not 0 <= self.pretrain.noise < 1:
            raise HindsightError(f"--pretrain.noise {self.pretrain.noise}: a share from 0 to below 1")
        if self.model.width % (2 * self.model.heads):
            raise HindsightError(
                f"--model.width {self.model.width}: must be a multiple of twice --model.heads ({self.model.heads})"
            )
        if self.model.room(self.the_task) < 2:
            enough = DEFAULTS[self.task].model.context
            raise HindsightError(f"--model.context {self.model.context}: no room for a prompt; try {enough}")
        return self


ROOMS_DEFAULTS = SandboxConfig(
    task="rooms",
    constraints="2-5",
    model=ModelRules(context=96),
    pretrain=PretrainRules(steps=1000, low=1, high=1),
)
"""The defaults of ``--task rooms``."""
DEFAULTS: dict[TaskName, SandboxConfig] = {"words": SandboxConfig(), "rooms": ROOMS_DEFAULTS}


def parsed(argv: list[str], prog: str = "hindsight sandbox train") -> SandboxConfig:
    """The settings of a command line; `--task` chooses the defaults of the other options."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--task")
    name = parser.parse_known_args(argv)[0].task
    default = DEFAULTS.get(name, DEFAULTS["words"])
    return tyro.cli(SandboxConfig, args=argv, prog=prog, description=SandboxConfig.__doc__, default=default)


def to_json(config: SandboxConfig) -> dict[str, Any]:
    """Settings as stored in `config.json`; an unlimited lambda becomes null."""
    values = dataclasses.asdict(config)
    if values["replay"]["lambda_cap"] == float("inf"):
        values["replay"]["lambda_cap"] = None
    return values


def from_json(stored: dict[str, Any], where: str) -> SandboxConfig:
    """Settings of an existing run."""
    parts: dict[str, Any] = {
        "model": ModelRules,
        "pretrain": PretrainRules,
        "replay": ReplayRules,
        "update": UpdateRules,
        "reinforce": ReinforceRules,
        "judge": JudgeErrors,
        "two_anchors": TwoAnchorRules,
    }
    values = known_settings(stored, (field.name for field in dataclasses.fields(SandboxConfig)), where)
    try:
        if values["replay"]["lambda_cap"] is None:
            values["replay"] = {**values["replay"], "lambda_cap": float("inf")}
        return SandboxConfig(**{name: parts[name](**v) if name in parts else v for name, v in values.items()})
    except (TypeError, KeyError) as error:
        raise HindsightError(f"{where} is of another version: {error}") from error
