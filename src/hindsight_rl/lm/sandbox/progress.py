"""The progress display of training: a live table in a terminal; otherwise plain lines at each evaluation.

Errors in the display are ignored (see :mod:`hindsight_rl.display`).
"""

from typing import Any

from rich.console import Console
from rich.table import Table

from hindsight_rl.display import Display
from hindsight_rl.lm.sandbox.config import SandboxConfig


class Progress(Display):
    """Shows pretraining, and the messages of the methods when they arrive; a context manager.

    Args:
        config: settings of the run.
        console: where to write; standard error by default.
    """

    def __init__(self, config: SandboxConfig, console: Console | None = None):
        super().__init__(console)
        self.config = config
        self.metrics: dict[str, dict[str, Any]] = {}
        self.evals: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        self.headline = ""

    def pretraining(self, step: int, loss: float) -> None:
        """Show the progress of the base model; never raises."""
        steps = self.config.pretrain.steps
        self.headline = f"base model: step {step} of {steps}, loss {loss:.3f}"
        self._draw(plain=self.headline if step % max(steps // 4, 1) == 0 or step == steps else None)

    def show(self, message: dict[str, Any]) -> None:
        """Show a message of a method; never raises."""
        try:
            name = message["arm"]
            if message["kind"] == "metrics":
                self.headline = ""
                self.metrics[name] = message
                self.states[name] = "training"
                self._draw()
            elif message["kind"] == "eval":
                self.evals[name] = message
                self._draw(plain=self.line(name))
            else:
                self.states[name] = "done" if message["kind"] == "done" else "failed"
                self._draw(plain=message.get("error"))
        except Exception:
            pass

    def line(self, name: str) -> str:
        """The newest evaluation of one method."""
        mark, metrics = self.evals[name], self.metrics.get(name, {})
        counts = "  ".join(f"n={count} {share:.3f}" for count, share in mark["sampled"]["by_count"].items())
        text = f"{name:<18} {mark['rollouts']:>7,} rollouts  accuracy {mark['sampled']['accuracy']:.3f}  ({counts})"
        if metrics:
            text += f"  no signal {metrics['no_signal']:.0%}  {mark['seconds']:.0f} s"
        if metrics.get("replays"):
            text += f"  replays {metrics['replays']}  lambda {metrics['lambda']:.1f}"
        return text

    def render(self) -> Table:
        """The live table."""
        low, high = self.config.regime
        table = Table(
            title=self.headline or f"{self.config.constraints} constraints, seed {self.config.seed}", expand=True
        )
        table.add_column("arm")
        for heading in ("rollouts", "accuracy", *(f"n={n}" for n in range(low, high + 1))):
            table.add_column(heading, justify="right")
        for heading in ("greedy", "no signal", "replays", "lambda", "seconds"):
            table.add_column(heading, justify="right")
        for name in self.config.names:
            metrics, mark = self.metrics.get(name, {}), self.evals.get(name)
            sampled = mark["sampled"] if mark else {"by_count": {}}
            table.add_row(
                f"{name} ({self.states[name]})" if name in self.states else name,
                f"{metrics.get('rollouts', 0):,}",
                f"{sampled['accuracy']:.3f}" if mark else "",
                *(
                    f"{sampled['by_count'][str(n)]:.3f}" if str(n) in sampled["by_count"] else ""
                    for n in range(low, high + 1)
                ),
                f"{mark['greedy']['accuracy']:.3f}" if mark else "",
                f"{metrics['no_signal']:.0%}" if metrics else "",
                str(metrics.get("replays") or ""),
                f"{metrics['lambda']:.1f}" if metrics.get("replays") else "",
                f"{metrics['seconds']:.0f}" if metrics else "",
            )
        return table

    def _draw(self, plain: str | None = None) -> None:
        try:
            if self.live:
                self.draw(at_once=plain is not None)
            elif plain:
                self.say(plain)
        except Exception:
            pass
