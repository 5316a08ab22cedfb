"""The settings of a training run, and what is wrong with them."""

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
    """Where all other defaults come from: `laptop`, `gpu` (the game's own map, one GPU filled) or `craftax` (the full
    game)."""
    method: str = "oir"
    """`oir`, `oir-paper`, `oir-no-buffer`, `her`, `buffer`, `none`, `ellm`, `oracle` or `game`."""
    env: str = "classic-32"
    """The environment: `classic-32` (fast preset: a smaller map, another task), `classic` (the game's 64 x 64) or
    `craftax`."""
    total_timesteps: int = 1_500_000
    """Environment steps in all."""
    seed: int = 0
    seeds: int = 1
    """Train as many seeds, from --seed on, side by side in one program; each in a folder of its own, OUT-SEED."""
    out: str = "runs/agent"
    """The run folder to make."""
    resume: bool = False
    """Go on with the run in --out from its newest checkpoint, under its own settings. Of these, only some can be given
    anew: more --total-timesteps, and what changes no training (evaluations, checkpoints, the endpoint)."""
    observation: str = "compact"
    """`compact` or `raw`."""
    encoder: str = "default"
    """Sentence encoder: `default` (all-MiniLM-L6-v2), a hub id or a path."""
    reward_mode: str = "calibrated"
    """`calibrated`, or `global` (one cosine threshold, as in the paper)."""
    delta: float | None = None
    """Threshold of the reward; chosen by calibration when absent."""
    condition: str = "embedding"
    """What the policy sees of an instruction: `embedding` (as in the paper), `affinity` (nearest events) or `both`."""
    num_envs: int = 64
    """Environments that step side by side."""
    num_steps: int = 16
    """Steps of every environment between two updates."""
    num_updates: int = 16
    """Updates in one training iteration; between two iterations the host relabels and updates the buffer."""
    num_worlds: int = 1024
    """Generated worlds that environments are reset to."""
    learning_rate: float = 3e-4
    """Of RAdam."""
    learning_rate_end: float = 0.02
    """What is left of it at the end, as a share; it falls linearly."""
    epsilon_start: float = 0.5
    epsilon_end: float = 0.1
    epsilon_fraction: float = 0.3
    """Share of training over which the rate of random actions falls."""
    epsilon_spread: float = 0.0
    """Environments differ in their rate of random actions: epsilon ** (1 + spread * x), x from -1/2 to 1."""
    width: int = 256
    """Units of a hidden layer."""
    depth: int = 2
    """Hidden layers."""
    rank: int = 64
    """Length of the vectors whose product is the value."""
    initial_instructions: bool = True
    """Methods with a buffer know the environment's initial instructions from the start, as the others do, learn them in
    hindsight and practise them (`--acting.initial`). Without, they know only what relabeling finds."""
    relabels: int = 4
    """Instructions proposed per relabeled trajectory (K)."""
    composed: float = 0.1
    """Share of proposals with two or three goals."""
    trajectories: int = 16
    """Trajectories relabeled per training iteration."""
    relabeler: str = "templates"
    """`templates`, or `llm`: a language model behind --endpoint, beside training, with templates as its stand-in."""
    grounding: bool = True
    """Reject relabels whose evidence the reward does not confirm; without it every relabel is accepted."""
    favour_rare: float = 2.0
    """Extra hindsight weight of rare events."""
    num_evals: int = 6
    """Evaluations of the initial instructions during training, with few trials; 0 for none."""
    final_eval: bool = True
    """Evaluate the trained policy with many trials and write eval.json."""
    num_checkpoints: int = 6
    """Checkpoints during training."""
    acting: ActingRules = field(
        default_factory=lambda: ActingRules(candidates=4, initial=0.7, fresh=0.9, again=0.3, explore_after=8)
    )
    learning: LearningRules = field(default_factory=LearningRules)
    buffer: BufferRules = field(default_factory=lambda: BufferRules(capacity=48))
    """With 48 slots learning is faster here than with the paper's 10 (`--buffer.capacity 10`)."""
    llm: LlmRules = field(default_factory=LlmRules)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    noise: NoiseRules = field(default_factory=NoiseRules)
    """Errors put into the relabels, for studies."""
    processes: ProcessRules = field(default_factory=ProcessRules)
    settled: Annotated[bool, tyro.conf.Suppress] = False
    """Every value is meant as it stands. Otherwise a value that is the preset's gives way to the method's own (see
    `methods.Method.settings`) and, on resume, to the run's. The command line, which knows what was given, sets this."""

    def checked(self) -> "TrainConfig":
        """The same settings, or a HindsightError that names the bad one."""
        method(self.method)
        check_ranges(self)
        if self.delta == 1:
            raise HindsightError("--delta 1: must be above 0 and below 1")
        if self.buffer.failing_below > self.buffer.mastered_above:
            raise HindsightError(
                f"--buffer.failing-below {self.buffer.failing_below}: "
                f"at most --buffer.mastered-above ({self.buffer.mastered_above})"
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
            raise HindsightError("--relabeler llm answers when it is ready: it goes with one process, not several")
        if self.relabeler == "llm":
            self.endpoint = self.endpoint.resolved()
        return self


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
    values.pop("processes", None)  # where processes meet is the launch's to say, not the run's
    try:
        return TrainConfig(**{k: nested[k](**v) if k in nested else v for k, v in values.items()})
    except TypeError as error:
        raise HindsightError(f"{run.path / 'config.json'} is of another version: {error}") from error
