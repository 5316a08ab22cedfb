"""The settings of a training run, and checks of them."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any

import tyro

from hindsight_rl.agent.instructions.buffer import BufferRules
from hindsight_rl.agent.policy.pqn import LearningRules
from hindsight_rl.agent.relabeling.llm import LlmRules
from hindsight_rl.agent.relabeling.noise import NoiseRules
from hindsight_rl.agent.training.acting import ActingRules
from hindsight_rl.agent.training.methods import method
from hindsight_rl.agent.training.ranges import check_ranges
from hindsight_rl.agent.training.sharding import ProcessRules
from hindsight_rl.endpoint.settings import EndpointSettings
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run, known_settings


@dataclass
class TrainConfig:
    """Settings of a training run; the defaults suit a laptop."""

    preset: str = "laptop"
    """Set of defaults for all other settings: `laptop`, `gpu` (a larger map, enough environments for one GPU), or one
    that an environment brings."""
    method: str = "oir"
    """The method: `oir`, `oir-paper`, `oir-no-buffer`, `her`, `buffer`, `none`, `ellm`, `oracle` or `game`."""
    env: str = "classic-32"
    """The environment: a name that `hindsight agent envs` lists, or `module:Class`."""
    total_timesteps: int = 1_500_000
    """Total number of environment steps."""
    seed: int = 0
    """Random seed."""
    seeds: int = 1
    """Number of seeds, from --seed upwards, that are trained in parallel in one program. Each has its own run folder,
    OUT-SEED."""
    out: str = "runs/agent"
    """The run folder that is created."""
    resume: bool = False
    """Continue the run in --out from its newest checkpoint, with the settings of that run. Only some settings can be
    changed: a larger --total-timesteps, and settings that do not affect learning (evaluations, checkpoints, the
    endpoint)."""
    observation: str = "default"
    """Observation of the environment, if it offers several, e.g. `compact` and `raw`."""
    encoder: str = "default"
    """Sentence encoder: `default` (all-MiniLM-L6-v2), an id on the Hugging Face hub, or a path."""
    reward_mode: str = "calibrated"
    """Semantic reward: `calibrated` (a threshold per instruction) or `global` (one cosine threshold, as in the
    paper)."""
    delta: float | None = None
    """Threshold of the reward. By default, calibration chooses it."""
    condition: str = "embedding"
    """The policy's input for an instruction: its sentence `embedding` (as in the paper), its `affinity` to each event,
    or `both`."""
    num_envs: int = 64
    """Number of parallel environments."""
    num_steps: int = 16
    """Steps of each environment between two updates."""
    num_updates: int = 16
    """Updates per training iteration. After each iteration, trajectories are relabeled and the instruction buffer is
    updated."""
    num_worlds: int = 1024
    """Number of generated worlds. A reset puts an environment into one of them."""
    learning_rate: float = 3e-4
    """Learning rate of the optimizer, RAdam."""
    learning_rate_end: float = 0.02
    """Final learning rate, as a share of the initial one. It falls linearly."""
    epsilon_start: float = 0.5
    """Rate of random actions at the start of training."""
    epsilon_end: float = 0.1
    """Rate of random actions at the end."""
    epsilon_fraction: float = 0.3
    """Share of training during which the rate of random actions falls from --epsilon-start to --epsilon-end."""
    epsilon_spread: float = 0.0
    """Spread of the rate of random actions over the environments: epsilon ** (1 + spread * x), with x from -1/2 in the
    first environment to 1 in the last."""
    width: int = 256
    """Units per hidden layer."""
    depth: int = 2
    """Number of hidden layers."""
    rank: int = 64
    """Length of the two vectors whose dot product is the action value."""
    initial_instructions: str = "canonical"
    """The instructions that the method is given: `canonical` (the environment's own), `none`, or a text file with one
    instruction per line. Methods that relabel also learn the instructions that relabeling finds; those with an
    instruction buffer practise them, too (see `--acting.initial`). `ellm` and `game` ignore this setting."""
    relabels: int = 4
    """Number of instructions that are proposed per relabeled trajectory (K in the paper)."""
    composed: float = 0.1
    """Share of proposals with two or three goals."""
    trajectories: int = 16
    """Number of trajectories that are relabeled per training iteration."""
    relabeler: str = "templates"
    """What proposes instructions: `templates`, or `llm`, a language model at --endpoint. Training never waits for the
    model: until it answers, templates are used."""
    grounding: bool = True
    """Reject relabels whose evidence the reward does not confirm. If off, every relabel is accepted."""
    favour_rare: float = 2.0
    """Extra weight of rare events in hindsight learning."""
    num_evals: int = 6
    """Number of short evaluations of the environment's own instructions during training. 0: none."""
    final_eval: bool = True
    """After training, evaluate the policy with many trials and write eval.json."""
    num_checkpoints: int = 6
    """Number of checkpoints during training."""
    acting: ActingRules = field(
        default_factory=lambda: ActingRules(
            candidates=4, initial=0.7, new_event_share=0.9, repeated_event_share=0.3, explore_after=8
        )
    )
    learning: LearningRules = field(default_factory=LearningRules)
    buffer: BufferRules = field(default_factory=lambda: BufferRules(capacity=48))
    """The instruction buffer. It has 48 slots, where the paper's has 10."""
    llm: LlmRules = field(default_factory=LlmRules)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    noise: NoiseRules = field(default_factory=NoiseRules)
    """Errors that are added to relabels on purpose, for studies."""
    processes: ProcessRules = field(default_factory=ProcessRules)
    settled: Annotated[bool, tyro.conf.Suppress] = False
    """Use every value as it is. If off, a value that equals the preset's is replaced by the method's own (see
    `methods.Method.settings`) and, on resume, by the run's. The command line sets this, as it knows which options were
    given."""

    def checked(self) -> "TrainConfig":
        """Return the settings, or raise a HindsightError that names the wrong one."""
        method(self.method)
        check_ranges(self)
        if self.delta == 1:
            raise HindsightError("--delta 1: must be above 0 and below 1")
        if self.buffer.failing_below > self.buffer.mastered_above:
            raise HindsightError(
                f"--buffer.failing-below {self.buffer.failing_below}: "
                f"at most --buffer.mastered-above ({self.buffer.mastered_above})"
            )
        if self.initial_instructions == "none" and method(self.method).conditioned and not method(self.method).buffer:
            raise HindsightError(
                f"--initial-instructions none: --method {self.method} has no instruction buffer that would find others"
            )
        if self.trajectories > self.num_envs:
            raise HindsightError(f"--trajectories {self.trajectories}: at most --num-envs ({self.num_envs})")
        if self.num_envs * self.num_steps < self.learning.minibatch:
            raise HindsightError(
                f"--learning.minibatch {self.learning.minibatch} exceeds --num-envs x --num-steps "
                f"({self.num_envs * self.num_steps}): lower it"
            )
        if self.reward_mode not in ("calibrated", "global"):
            raise HindsightError(f"--reward-mode {self.reward_mode}: 'calibrated' or 'global'")
        if self.condition not in ("both", "affinity", "embedding"):
            raise HindsightError(f"--condition {self.condition}: 'both', 'affinity' or 'embedding'")
        if self.relabeler not in ("templates", "llm"):
            raise HindsightError(f"--relabeler {self.relabeler}: 'templates' or 'llm'")
        self.noise.checked()
        if self.relabeler == "llm" and self.processes.coordinator is not None:
            raise HindsightError("--relabeler llm works in one process only, as its answers come at any time")
        if self.relabeler == "llm":
            self.endpoint = self.endpoint.resolved()
        return self


def check_one_seed(config: TrainConfig) -> None:
    """Raises :class:`HindsightError` where the settings ask for several seeds."""
    if config.seeds != 1:
        raise HindsightError(f"seeds {config.seeds}: one run has one seed; train_seeds trains several at a time")


def setting(config: TrainConfig, name: str) -> Any:
    """The value of a dotted name, e.g. `buffer.capacity`."""
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def with_setting(config: TrainConfig, name: str, value: Any) -> TrainConfig:
    """A copy with another value of a dotted name."""
    group, _, last = name.rpartition(".")
    if not group:
        return dataclasses.replace(config, **{last: value})
    return dataclasses.replace(config, **{group: dataclasses.replace(getattr(config, group), **{last: value})})


def load_config(run: Run) -> TrainConfig:
    """The settings that a run was made with."""
    nested = {
        "acting": ActingRules, "learning": LearningRules, "buffer": BufferRules, "llm": LlmRules,
        "endpoint": EndpointSettings, "noise": NoiseRules,
    }  # fmt: skip
    names = [field.name for field in dataclasses.fields(TrainConfig)]
    values = known_settings(run.read("config.json"), names, str(run.path / "config.json"))
    values.pop("processes", None)  # the addresses of processes belong to a launch, not to the run
    try:
        return TrainConfig(**{k: nested[k](**v) if k in nested else v for k, v in values.items()})
    except TypeError as error:
        raise HindsightError(f"{run.path / 'config.json'} is of another version: {error}") from error
