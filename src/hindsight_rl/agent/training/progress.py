"""The progress display of training: live in a terminal, otherwise a plain line from time to time.

The display is drawn only when a training iteration ends: nothing runs beside training (see
:mod:`hindsight_rl.display`).
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hindsight_rl.display import Display

PLAIN_LINES = 10
WIDE = 118  # columns from which success and buffer stand side by side
STATUS_STYLE = {"new": "cyan", "failing": "red", "learning boundary": "yellow", "mastered": "green"}
SOURCES = {
    "initial": "initial",
    "slots": "buffer slots",
    "rehearsal": "rehearsal",
    "new_event": "new in this life",
    "repeated_event": "not done lately",
}
"""Sources of instructions: their names in `metrics.jsonl` and their descriptions. The last two were found by
relabeling."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(fraction: float, width: int) -> str:
    """A bar of ``width`` characters, to an eighth of a character; the fraction is clipped to [0, 1]."""
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, e.g. `1:02:03` or `4:05`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress(Display):
    """Shows the metrics of training as they arrive; a context manager.

    Args:
        method: name of the method.
        total_steps: environment steps in all.
        start_step: environment steps already done, if the run is resumed.
        console: where to write; standard error by default.
        clock: seconds, monotonic.
        silent: show nothing.
    """

    def __init__(
        self,
        method: str,
        total_steps: int,
        start_step: int = 0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        silent: bool = False,
    ):
        super().__init__(Console(quiet=True) if silent else console, clock)
        self.method, self.total, self.step = method, max(total_steps, 1), start_step
        self.latest: Mapping[str, Any] = {}
        self.success: Mapping[str, float] = {}
        self.success_at = 0
        self.accepted = self.rejected = 0
        self.given = dict.fromkeys(SOURCES, 0)
        self._began = clock()
        # A window, so that compilation and evaluations affect the displayed speed only for a short time.
        self._passed: deque[tuple[float, int]] = deque(maxlen=16)
        self._printed = -1
        self._phase = ""

    def phase(self, text: str, plain: bool = True) -> None:
        """Say what is done now instead of training, until the next metrics. Never raises.

        Args:
            text: in few words, e.g. "compiling".
            plain: also as a line where there is no live display.
        """
        self._phase = text
        try:
            if self.live:
                self.draw(at_once=True)
            elif plain:
                self.say(f"{self.method}  {text}")
        except Exception:
            pass

    def show(self, metrics: Mapping[str, Any]) -> None:
        """Process the metrics of an iteration (a row of `metrics.jsonl`). Never raises.

        Args:
            metrics: `step` and, where known, `success`, `slots`, `accepted`, `rejected`, `unique_instructions`,
                `clusters`, `loss`, `success_of_given`, `given`.
        """
        try:
            self._take(metrics)
            if self.live:
                self.draw()
            elif (tenth := self.step * PLAIN_LINES // self.total) > self._printed:
                self._printed = tenth
                self.say(self.line())
        except Exception:
            pass  # an error of the display must not stop training

    def _take(self, metrics: Mapping[str, Any]) -> None:
        self.latest, self._phase = metrics, ""
        self.step = int(metrics.get("step", self.step))
        self._passed.append((self._clock(), self.step))
        self.accepted += int(metrics.get("accepted") or 0)
        self.rejected += int(metrics.get("rejected") or 0)
        for source, count in (metrics.get("given") or {}).items():
            self.given[source] = self.given.get(source, 0) + int(count)
        if metrics.get("success"):
            self.success, self.success_at = metrics["success"], self.step

    @property
    def speed(self) -> float | None:
        """Recent environment steps per second; None until two iterations are done."""
        if len(self._passed) < 2:
            return None
        (t0, s0), (t1, s1) = self._passed[0], self._passed[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else None

    def _pace(self) -> str:
        if self._phase:
            return self._phase
        speed = self.speed
        if not speed:
            return "…"
        left = duration((self.total - self.step) / speed)
        return f"{speed:,.0f} steps/s  {left} left"

    def _mean_success(self) -> float | None:
        return sum(self.success.values()) / len(self.success) if self.success else None

    def _counts(self) -> list[str]:
        parts = []
        given = self.latest.get("success_of_given")
        if given is not None:
            parts.append(f"given instructions fulfilled {given:.0%}")
        if shares := self._shares():
            parts.append(f"given: {shares}")
        if "accepted" in self.latest:
            parts.append(f"relabels {self.accepted:,} accepted, {self.rejected:,} rejected")
        if isinstance(llm := self.latest.get("llm"), Mapping):
            parts.append(_language_model(llm))
        if "unique_instructions" in self.latest:
            clusters = self.latest.get("clusters")
            parts.append(
                f"coverage {self.latest['unique_instructions']:,} instructions"
                + (f" in {clusters:,} clusters" if clusters is not None else "")
            )
        if self.latest.get("loss") is not None:
            parts.append(f"loss {self.latest['loss']:.4f}")
        return parts

    def _shares(self) -> str:
        """`70% initial, 3% buffer slots, 27% found`: of all instructions given so far. Empty if there is only one
        source."""
        found = self.given["new_event"] + self.given["repeated_event"]
        shown = {SOURCES[k]: self.given[k] for k in ("initial", "slots", "rehearsal")} | {"found by relabeling": found}
        total = sum(shown.values())
        shown = {name: count for name, count in shown.items() if count}
        return ", ".join(f"{n / total:.0%} {name}" for name, n in shown.items()) if len(shown) > 1 else ""

    def line(self) -> str:
        """The state as one plain line."""
        parts = [f"{self.method}  {self.step:,}/{self.total:,} steps ({self.step / self.total:.0%})", self._pace()]
        mean = self._mean_success()
        if mean is not None:
            parts.append(f"success {mean:.3f} over {len(self.success)} instructions at {self.success_at:,}")
        return "  ·  ".join(parts + self._counts())

    def render(self) -> RenderableType:
        """The live display."""
        width = self.console.width
        parts: list[RenderableType] = [self._header()]
        panels = [p for p in (self._success_panel(), self._slots_panel()) if p is not None]
        if len(panels) == 2 and width >= WIDE:
            sides = Table.grid(padding=(0, 3))
            sides.add_row(*panels)
            parts += [Text(), sides]
        else:
            for panel in panels:
                parts += [Text(), panel]
        if counts := self._counts():
            parts += [Text(), Text("  ·  ".join(counts), style="dim")]
        return Group(*parts)

    def _header(self) -> RenderableType:
        width = self.console.width
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(no_wrap=True)
        row.add_column(ratio=1)
        row.add_column(no_wrap=True, justify="right")
        elapsed = duration(self._clock() - self._began)
        row.add_row(
            Text(self.method, style="bold"),
            ProgressBar(total=self.total, completed=min(self.step, self.total), complete_style="cyan"),
            Text(f"{self.step / self.total:4.0%}  {self._pace()}" + (f"  {elapsed} gone" if width >= 70 else "")),
        )
        return row

    def _success_panel(self) -> RenderableType | None:
        if not self.success:
            return None
        width = self.console.width
        columns = 2 if width >= 62 else 1
        bars = 5 if WIDE <= width < 130 else 10
        title = Text.assemble(
            ("success in held-out worlds", "bold"), (f"  mean {self._mean_success():.2f}", "bold green"),
            (f"  at {self.success_at:,}", "dim"), no_wrap=True, overflow="ellipsis",
        )  # fmt: skip
        grid = Table.grid(padding=(0, 1))
        items = [_success_cells(name, rate, bars) for name, rate in self.success.items()]
        for cells in _in_columns(items, columns):
            grid.add_row(*cells)
        return Group(title, grid)

    def _slots_panel(self) -> RenderableType | None:
        slots: Sequence[Mapping[str, Any]] = self.latest.get("slots") or ()
        if not slots:
            return None
        grid = Table.grid(padding=(0, 1))
        width = self.console.width
        room = 34 if width >= 130 else 28 if width >= WIDE else max(12, width - 26)
        for slot in slots:
            style = STATUS_STYLE.get(str(slot.get("status")), "")
            text = str(slot.get("text", ""))
            mean = float(slot.get("mean_return") or 0.0)
            grid.add_row(
                Text("●", style=style),
                Text(text if len(text) <= room else text[: room - 1] + "…", no_wrap=True),
                Text(bar(mean, 5), style=style),
                Text(f"{mean:.2f}", style=style),
                Text(f"{int(slot.get('attempts') or 0):,}×", style="dim", justify="right"),
            )
        held = [str(slot.get("status")) for slot in slots]
        title = Text("buffer", style="bold", no_wrap=True, overflow="ellipsis")
        for status, style in STATUS_STYLE.items():
            if status in held:
                title.append(f"  {held.count(status)} {status.removeprefix('learning ')}", style=style)
        return Group(title, grid)


def _language_model(said: Mapping[str, Any]) -> str:
    """`language model: 12 of 40 questions answered, 9 relabels accepted, 20 rejected`, and why there is no answer."""
    answered, asked = int(said.get("answered") or 0), int(said.get("asked") or 0)
    rejected = sum(int(count) for count in (said.get("rejected") or {}).values())
    text = f"language model: {answered:,} of {asked:,} questions answered, "
    text += f"{int(said.get('accepted') or 0):,} relabels accepted, {rejected:,} rejected"
    return text + (f" ({said['trouble']})" if said.get("trouble") and said.get("standing_in") else "")


def _success_cells(name: str, rate: float, width: int) -> list[Text]:
    style = "green" if rate >= 0.8 else "yellow" if rate >= 0.1 else "red"
    return [
        Text(name.replace("_", " "), no_wrap=True),
        Text(bar(rate, width), style=style),
        Text(f"{rate:.2f}", style=style if rate > 0 else "dim"),
    ]


def _in_columns(items: Sequence[list[Text]], columns: int) -> list[list[Text]]:
    """Rows of a table that is read downwards, column by column."""
    height = -(-len(items) // columns)
    blank = [Text("")] * (len(items[0]) if items else 0)
    rows = []
    for i in range(height):
        row: list[Text] = []
        for c in range(columns):
            j = c * height + i
            row += items[j] if j < len(items) else blank
        rows.append(row)
    return rows
