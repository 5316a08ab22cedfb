"""Write what was measured of scaling into docs/scaling.md.

    python benchmarks/scaling_page.py

Reads results/agent_scaling.json and agent_scaling_craftax.json (of agent_study.py), trl_step.json and
trl_step_gpu.json (of trl_step.py), those that there are.
"""

import json
from pathlib import Path
from typing import Any

from grounding import write_between

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scaling.md"
AXES = {
    "environments": "Environments",
    "table": "Goals that the table holds (four times as many instructions)",
    "hindsight": "Hindsight goals per transition",
    "events": "Events",
    "relabels": "Relabels proposed per iteration (K x trajectories)",
}
ROOM = 80 * 2**30
"""Bytes of one accelerator, for the arithmetic."""


def axis_table(title: str, axis: dict[str, Any]) -> list[str]:
    """One axis as Markdown."""
    sizes = axis["sizes"]
    lines = [
        f"| {title} | " + " | ".join(f"{size:,}" for size in sizes) + " | growth | at the end |",
        "|---" * (len(sizes) + 3) + "|",
    ]
    for name, part in axis["parts"].items():
        ends = [_number(part[key], 2) for key in ("exponent", "last")]
        lines.append(f"| {name} | " + " | ".join([*(_number(ms) for ms in part["ms"]), *ends]) + " |")
    return [*lines, ""]


def costs(result: dict[str, Any], source: str) -> str:
    """All axes, in milliseconds per training iteration."""
    config, base = result["config"], result["base"]
    lines = [
        f"Milliseconds per training iteration of {config['num_updates']} updates, each after {base['num_steps']} "
        f"steps of every environment; `{config['env']}`, settings of `{config['preset']}`, {config['base']:,} "
        f"environments unless their number is varied. {result['device']}, {result['devices']} device; host: "
        f"{result['machine']['processor']}. *growth* is the exponent fitted to all sizes, *at the end* that between "
        "the two largest: 0 means that the cost does not grow, 1 that it grows in proportion.",
        "",
    ]
    for name, title in AXES.items():
        lines += axis_table(title, result["axes"][name])
        if name == "environments":
            total = result["axes"][name]["parts"]["total"]["ms"]
            rates = [1e3 * n / ms for n, ms in zip(result["steps_per_iteration"].values(), total, strict=True)]
            lines.insert(-1, "| steps per second | " + " | ".join(f"{rate:,.0f}" for rate in rates) + " | | |")
    return "\n".join([*lines, f"(`results/{source}`: `{result['command'].strip()}`)"])


def weights(result: dict[str, Any]) -> str:
    """Bytes of each environment, from the arrays' shapes."""
    named = {
        "events": "events",
        "actions": "actions",
        "parameters": "parameters of the network",
        "env_state": "state of an environment, bytes",
        "observation": "observation, bytes",
        "actor": "environment with its instruction and progress, bytes",
        "transition": "transition, bytes",
        "condition": "condition of a goal, bytes",
        "replay": "replay buffer, MiB in all",
    }
    envs = result["bytes"]
    lines = ["| | " + " | ".join(f"`{env}`" for env in envs) + " |", "|---" * (len(envs) + 1) + "|"]
    for key, title in named.items():
        values = [env[key] for env in envs.values()]
        cells = [_number(value / 2**20) if key == "replay" else f"{value:,}" for value in values]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def outlook(result: dict[str, Any]) -> str:
    """What one of s devices meets at s times the size: environments, table and relabels s times as many."""
    config, base, rules = result["config"], result["base"], result["base"]["learning"]
    at, sizes = result["axes"]["environments"], result["bytes"][config["env"]]
    here = {name: part["ms"][at["sizes"].index(config["base"])] for name, part in at["parts"].items()}
    per_update = (config["base"] + rules["replay_windows"]) * base["num_steps"]
    sgd = config["num_updates"] * rules["epochs"] * (per_update // rules["minibatch"])
    reduced = 2 * 4 * sizes["parameters"] * sgd
    relabels, count = result["axes"]["relabels"], base["relabels"] * base["trajectories"]
    relabel = relabels["parts"]["host: relabel"]["ms"][-1] / relabels["sizes"][-1] * count
    tables = result["axes"]["table"]["parts"]["host: tables"]["ms"][0]
    values = 4 * config["base"] * base["max_goals"] * sizes["actions"]
    report = config["num_updates"] * base["num_steps"] * base["trajectories"] * (sizes["events"] + 1)
    device = here["act"] + here["replay"] + here["learn"]
    rows: list[tuple[str, float, int, str]] = [
        ("device: act, replay, learn (minibatch grows in proportion), ms", device, 0, "ms"),
        ("device: learn, minibatch as it is, ms", here["learn"], 1, "ms"),
        ("gradients all-reduced by each device, minibatch in proportion, MiB", reduced / 2**20, 0, ""),
        ("host, every process alike: relabel, ms", relabel, 1, "ms"),
        ("host, every process alike: make tables, ms", tables, 1, "ms"),
        ("device: environments and their transitions, GiB", _per_env(config, base, sizes) / 2**30, 0, "GiB"),
        ("device: value of every goal for every environment, GiB", values / 2**30, 1, "GiB"),
        ("from device to host: events of trajectories to relabel, MiB", report / 2**20, 1, ""),
    ]
    lines = [
        f"Per training iteration and device. 1 x is {config['base']:,} environments on one device, a table of "
        f"{base['max_goals']:,} goals and {count} relabels per iteration; s x is s devices with as many environments "
        f"each, and a table and relabels s times as large. **Bold**: more milliseconds than the device's own work, or "
        f"more than {ROOM // 2**30} GiB.",
        "",
        "| | 1 x | 10 x | 100 x | 1,000 x |",
        "|---|---|---|---|---|",
    ]
    for title, now, power, unit in rows:
        cells = []
        for times in (1, 10, 100, 1000):
            value = now * times**power
            over = (unit == "ms" and value > device) or (unit == "GiB" and value * 2**30 > ROOM)
            cells.append(f"**{_number(value)}**" if over else _number(value))
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    each = f"{_number(here['learn'] / sgd)} ms each, which an all-reduce must stay well below"
    return "\n".join([*lines, "", f"({sgd:,} minibatches of {rules['minibatch']:,} per iteration at 1 x, {each}.)"])


def _per_env(config: dict[str, Any], base: dict[str, Any], sizes: dict[str, int]) -> int:
    rows = (config["base"] + base["learning"]["replay_windows"]) * base["num_steps"]
    return config["base"] * sizes["actor"] + rows * (sizes["transition"] + 8 * base["learning"]["hindsight"])


def language_model(result: dict[str, Any]) -> str:
    """The step of the HiR trainer, in one table."""
    sizes, rates = result["sizes"], result["tokens_per_second"]

    def spread(found: dict[str, float], digits: int = 2) -> str:
        return " | ".join(f"{found[name]:,.{digits}f}" for name in ("median", "least", "most"))

    ratios = {
        "step": "step_ratio",
        "step, per row trained": "per_row_ratio",
        "step, beyond the added rows": "beyond_rows_ratio",
        "without generation, per row trained": "without_generation_per_row_ratio",
    }
    lines = [
        f"{result['parameters']:,} random parameters, {sizes['dtype']}, {result['device']}; {sizes['prompts']} prompts "
        f"x {sizes['rollouts']} rollouts and at most {sizes['replays']} replays per prompt "
        f"({result['rows_per_step']['plain']:g} rows against {result['rows_per_step']['hir']:g}), at most "
        f"{sizes['tokens']} new tokens; {result['rounds']} rounds.",
        "",
        "| replay against plain TRL | median | least | most |",
        "|---|---|---|---|",
        *(f"| {title} | {spread(result[key])} |" for title, key in ratios.items()),
        "",
        "| tokens per second | median | least | most |",
        "|---|---|---|---|",
    ]
    for name, arms in rates.items():
        lines += [f"| {name.replace('_', ' ')}, {arm} | {spread(found, 0)} |" for arm, found in arms.items()]
    return "\n".join([*lines, "", f"(`{result['command'].strip()}`)"])


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def main() -> None:
    """Copy whatever there is."""
    for name in ("agent_scaling", "agent_scaling_craftax"):
        if (file := ROOT / "results" / f"{name}.json").exists():
            result = json.loads(file.read_text("utf-8"))
            write_between(PAGE, name, costs(result, file.name))
            if name == "agent_scaling":
                write_between(PAGE, "agent_bytes", weights(result))
                write_between(PAGE, "agent_outlook", outlook(result))
    for name in ("trl_step", "trl_step_gpu"):  # a GPU's figures, where there are any, take the place of a CPU's
        if (file := ROOT / "results" / f"{name}.json").exists():
            write_between(PAGE, "trl_step", language_model(json.loads(file.read_text("utf-8"))))


if __name__ == "__main__":
    main()
