"""What a slow language model beside training costs in steps per second, against templates alone.

    python benchmarks/relabel_latency.py --out results/relabel_latency.json --docs docs/experiments/relabeler.md

Both arms train in turn in one process. The language model is a scripted server on loopback, in a process of its own,
that answers every question after five seconds with commands for what the question lists, in phrasings that the
encoder has to compute; client, worker, filters, grounding and buffer are those of a real run.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import tyro
from grounding import shown, write_between

from hindsight_rl.agent.relabeling.sources import relabeler_of
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.loop import compile_cache
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.endpoint import EndpointSettings
from hindsight_rl.run import Run, machine

# Standard library alone: a server must not share the trainer's interpreter, nor take long to start.
SERVER = r"""
import json, random, re, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
verbs = {"collected": "collect", "placed": "place", "ate": "eat", "drank": "drink", "made": "make",
         "planted": "plant", "defeated": "defeat", "hit": "hit", "found": "find", "mined": "mine"}
# Enough ways to say a thing that few sentences come twice, so that the encoder has work to the end.
before = ["", "please ", "go and ", "try to ", "just ", "simply ", "quickly ", "calmly ", "carefully ", "now "]
after = ["", " now", " soon", " again", " for me", " for us", " at once", " right away", " today", " if you like",
         " before long", " this time", " for practice", " when you can", " in this world", " like before"]
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][0]["content"]
        time.sleep(float(sys.argv[1]))
        rows = []
        for step, caption in re.findall(r"^step (\d+): ([a-z ]+)", asked, re.M):
            first, _, rest = caption.strip().partition(" ")
            if first in verbs:
                said = random.choice(before) + verbs[first] + " " + rest + random.choice(after)
                rows.append({"instruction": said, "steps": [int(step)]})
        content = json.dumps({"instructions": rows[-6:]})
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass
class LatencyConfig:
    """What to time."""

    latency: float = 5.0
    """Seconds that the server takes for an answer."""
    rounds: int = 20
    """Timed turns of each arm, alternating."""
    iterations: int = 12
    """Training iterations per turn, of 16 updates each; some seconds, so that answers arrive in every turn."""
    warm_up: int = 12
    """Iterations of each arm before the clock runs: compilation, and the encoder's own start."""
    env: str = "classic-32"
    out: str | None = None
    docs: str | None = None
    """Write the result into this page, between its `relabel_latency` marks."""


def arm(config: LatencyConfig, relabeler: str, url: str, folder: Path) -> TrainingRun:
    """A training run with templates or with the language model."""
    settings = TrainConfig(env=config.env, total_timesteps=10**9, out=str(folder / relabeler), relabeler=relabeler)
    settings.endpoint = EndpointSettings(base_url=url, model="scripted", cache="none")
    run = Run.create(settings.out, dataclasses.asdict(settings), kind="agent")
    training = TrainingRun(settings, run)
    training.relabeling.relabeler = relabeler_of(settings, training.reward, run, training.env.scene)
    return training


def settle(training: TrainingRun) -> None:
    """Wait, off the clock, for answers under way: their work must not fall into the other arm's turn."""
    assert training.source is not None
    while training.source.metrics()["llm"]["under_way"]:
        time.sleep(0.05)


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lost, rate, said = result["speed_lost"], result["steps_per_second"], result["language_model"]
    return (
        f"**{lost['of_totals']:+.1%} of the steps per second lost** ({lost['median_of_turns']:+.1%} in the median "
        f"turn; {rate['templates']:,} steps/s with templates, {rate['llm']:,} beside a server that takes "
        f"{result['config']['latency']:g} s per answer; {said['answered']:,} answers, {said['accepted']:,} relabels "
        f"accepted, mean age {said['age_mean'] or 0:,.0f} steps).\n\n"
        f"(`results/relabel_latency.json`: `{shown(result['command'])}`)"
    )


def main() -> None:
    """Time the arms in turn and print the cost."""
    config = tyro.cli(LatencyConfig, description=__doc__)
    compile_cache()
    command = [sys.executable, "-c", SERVER, str(config.latency)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    names = ("templates", "llm")
    seconds: dict[str, list[float]] = {name: [] for name in names}
    try:
        with tempfile.TemporaryDirectory() as folder:
            runs = {name: arm(config, name, url, Path(folder)) for name in names}
            for training in runs.values():
                for _ in range(config.warm_up):
                    training.iterate()
            for turn in range(config.rounds):
                for name in names if turn % 2 == 0 else names[::-1]:
                    settle(runs["llm"])
                    began = time.perf_counter()
                    for _ in range(config.iterations):
                        runs[name].iterate()
                    jax.block_until_ready(runs[name].state.params)
                    seconds[name].append(time.perf_counter() - began)
            steps = config.iterations * runs["llm"].steps_per_iteration
            said = runs["llm"].source.metrics()["llm"]  # type: ignore[union-attr]
            runs["llm"].source.close()  # type: ignore[union-attr]
    finally:
        server.terminate()
    ratios = [a / b for a, b in zip(seconds["templates"], seconds["llm"], strict=True)]
    cost = 1 - statistics.median(ratios)
    total = 1 - sum(seconds["templates"]) / sum(seconds["llm"])
    rate = {name: round(steps / statistics.median(times)) for name, times in seconds.items()}
    result = {
        "command": "python benchmarks/relabel_latency.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "config": {k: v for k, v in dataclasses.asdict(config).items() if k not in ("out", "docs")},
        "steps_per_turn": steps,
        "seconds": {name: [round(x, 4) for x in times] for name, times in seconds.items()},
        "steps_per_second": rate,
        "speed_lost": {
            "of_totals": round(total, 4),
            "median_of_turns": round(cost, 4),
            "turns_min": round(1 - max(ratios), 4),
            "turns_max": round(1 - min(ratios), 4),
        },
        "language_model": said,
    }
    text = table(result)
    print(text)
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if config.docs:
        write_between(Path(config.docs), "relabel_latency", text)


if __name__ == "__main__":
    main()
