"""What the studies of both learners share: settings files, result files, and statistics over seeds."""

import dataclasses
import json
import shlex
import statistics
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import tyro
from scipy.stats import t

from hindsight_rl.errors import HindsightError
from hindsight_rl.run import machine


@dataclasses.dataclass
class StudyConfig:
    """Run a study from its settings file."""

    study: Annotated[str, tyro.conf.Positional]
    """The name of a settings file, or its path."""
    jobs: int = 2
    """Runs at a time, one thread each."""
    runs: Path = Path("runs")
    """Folder of the run folders and base models."""
    out: Path | None = None
    """The result file; by default results/lm_STUDY.json or results/agent_STUDY.json."""
    quick: bool = False
    """Tiny sizes, one seed, few methods or conditions: does all of it run? Without --out nothing is written."""


HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"


@dataclasses.dataclass
class Settings:
    """A settings file: a subclass has one field per key; keys without a default must be in the file."""

    @classmethod
    def load(cls, folder: str, name: str) -> Self:
        """Read a settings file, by the name of a study or by its path.

        Raises:
            HindsightError: there is no such file, it is not TOML, or a key is unknown or missing.
        """
        file = Path(name) if name.endswith(".toml") else HERE / folder / f"{name}.toml"
        if not file.is_file():
            known = ", ".join(sorted(each.stem for each in (HERE / folder).glob("*.toml")))
            raise HindsightError(f"{file} is missing: give the path of a settings file, or one of {known}")
        try:
            given = tomllib.loads(file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise HindsightError(f"{file}: not TOML: {error}") from error
        keys = {field.name: field.default is field.default_factory for field in dataclasses.fields(cls)}
        wrong = [key for key in given if key not in keys]
        if wrong:
            raise HindsightError(f"{file}: unknown key '{wrong[0]}': one of {', '.join(keys)}")
        absent = [key for key, required in keys.items() if required and key not in given]
        if absent:
            raise HindsightError(f"{file}: '{absent[0]}' is missing")
        return cls(**given)


def write(out: Path, result: dict[str, Any]) -> None:
    """Write a result file, with the command and the machine that made it."""
    made = {"command": f"python benchmarks/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}", "machine": machine()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(made | result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"results: {out}")


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; 0 for a single value."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def half_interval(values: Sequence[float]) -> float:
    """Half the width of the mean's 95 % interval (Student's t over seeds); 0 for a single value."""
    return float(t.ppf(0.975, len(values) - 1)) * standard_error(values) if len(values) > 1 else 0.0


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard error and range."""
    return {
        "mean": round(statistics.mean(values), 4),
        "standard_error": round(standard_error(values), 4),
        "min": min(values),
        "max": max(values),
    }


def middle(values: Sequence[float]) -> dict[str, float]:
    """Median and range, of few turns."""
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean, half the width of its 95 % interval, and range."""
    return {
        "mean": round(statistics.mean(values), 4),
        "half": round(half_interval(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }
