"""The section on attention to the constraints, before and after training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hindsight_rl.report.arm_sections import chip
from hindsight_rl.report.arms import BEFORE, ArmChapter, ArmGroup, ArmRun
from hindsight_rl.report.runs import number
from hindsight_rl.report.sections import section, spread
from hindsight_rl.report.svg import escaped

SHARES = (
    ("constraints", "a-constraints", "the words of the constraints"),
    ("separators", "a-separators", "what stands between them"),
    ("response", "a-response", "the response so far"),
)
FIGURES = (
    ("same", "lift_writing_the_word", "writing the word"),
    ("same", "lift_writing_another", "writing another"),
    ("own", "lift_met", "constraint met"),
    ("own", "lift_missed", "constraint missed"),
)


def attention(chapter: ArmChapter) -> str:
    """Attention from the tokens of responses to each constraint's words."""
    groups = [ArmGroup("before", "base", chapter.before.runs, BEFORE), *chapter.groups]
    groups = [group for group in groups if _studies(group)]
    if not groups:
        return ""
    count = max(int(number((run.attention or {}).get("instructions")) or 0) for g in groups for run in g.runs)
    keys = "".join(f'<span><i class="chip {style}"></i>{escaped(text)}</span>' for _, style, text in SHARES)
    body = (
        f'<h4>Where attention goes</h4><p class="legend">{keys}</p>'
        f'<div class="bars wide">{"".join(_shares(g) for g in groups)}</div>{_figures(groups)}{_by_kind(groups)}'
        f"{_example(groups)}"
    )
    lead = (
        f"From the tokens of responses to {count} test instructions, mean over layers, heads, tokens and seeds; "
        "computed from queries and keys after training. All models get the same "
        "response, which meets all constraints, so differences come from the models. <b>Lift</b> is attention per "
        "word, divided by that of uniform attention over all visible tokens: 1 is no preference, 2 is twice as much, "
        "below 1 is less. Attention shows which words a model reads, not why it answers. Constraints can be met with "
        "little attention, because later tokens can carry what was read before."
    )
    return section("attention", "Attention to the constraints", lead, body)


def _studies(group: ArmGroup) -> list[Mapping[str, Any]]:
    """The attention of a group's models, one entry per run."""
    return [found for run in group.runs if (found := _study(group, run)) is not None]


def _study(group: ArmGroup, run: ArmRun) -> Mapping[str, Any] | None:
    models = (run.attention or {}).get("models") or {}
    found = models.get("base" if group.colour == BEFORE else run.arm)
    return found if isinstance(found, Mapping) else None


def _values(group: ArmGroup, how: str, *path: str) -> list[float]:
    """One number per model of a group, selected by keys."""
    values = []
    for found in _studies(group):
        value: Any = found[how]
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if (finite := number(value)) is not None:
            values.append(finite)
    return values


def _shares(group: ArmGroup) -> str:
    mean = {}
    for name, _, _ in SHARES:
        values = _values(group, "same", "shares", name)
        mean[name] = float(np.mean(values)) if values else 0.0
    parts = "".join(
        f'<i class="{style}" style="width:{100 * mean[name]:.1f}%" title="{escaped(text)} {mean[name]:.0%}"></i>'
        for name, style, text in SHARES
    )
    details = ", ".join(f"{name} {mean[name]:.0%}" for name, _, _ in SHARES)
    return (
        f'<div class="row"><div class="lab">{chip(group)}</div><div class="tracks"><div class="share">{parts}</div>'
        f'<div class="told">{escaped(details)}</div></div></div>'
    )


def _figures(groups: Sequence[ArmGroup]) -> str:
    rows = []
    for group in groups:
        cells = [_lift(_values(group, how, name)) for how, name, _ in FIGURES]
        rows.append(f"<tr><th>{chip(group)}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escaped(title)}</th>" for _, _, title in FIGURES)
    return (
        '<h4>Lift where it counts</h4><p class="lead">To the constraint that asks for a word, while that word is '
        "written and while another one is; and, in each model's own responses, to constraints that they met and that "
        'they missed.</p><div class="scroll"><table class="headline"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _lift(values: list[float]) -> str:
    if not values:
        return "<td>–</td>"
    return f"<td><b>{np.mean(values):.2f}</b><small>{spread(values)}</small></td>"


def _by_kind(groups: Sequence[ArmGroup]) -> str:
    names = sorted({name for g in groups for found in _studies(g) for name in found["same"]["lift_by_kind"]})
    head = "".join(f"<th>{chip(g)}</th>" for g in groups)
    rows = []
    for name in names:
        cells = []
        for group in groups:
            values = _values(group, "same", "lift_by_kind", name)
            if not values:
                cells.append('<td class="heat nil">–</td>')
                continue
            mean = float(np.mean(values))
            details = f"<small>{min(values):.2f}–{max(values):.2f}</small>" if len(values) > 1 else ""
            cells.append(f'<td class="heat look" style="--v:{min(50 * mean, 100):.0f}%">{mean:.2f}{details}</td>')
        rows.append(f"<tr><th>{escaped(name)}</th>{''.join(cells)}</tr>")
    return (
        '<h4>Lift by kind of constraint</h4><div class="scroll"><table class="shaded"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _example(groups: Sequence[ArmGroup]) -> str:
    """One response, token by token, under each model of the first run."""
    run = next((r for g in groups for r in g.runs if (r.attention or {}).get("examples")), None)
    if run is None or run.attention is None:
        return ""
    example = run.attention["examples"][0]
    labels = {g.arm: g for g in reversed(groups)}
    out = []
    shown = [name for name in example["models"] if name in labels]
    peak = max((float(value) for name in shown for row in example["models"][name] for value in row), default=1.0) or 1.0
    for i, name in enumerate(shown):
        table = _matrix(example, example["models"][name], peak)
        opened = " open" if i in (0, len(shown) - 1) else ""
        out.append(f"<details{opened}><summary>{escaped(labels[name].label)}</summary>{table}</details>")
    asked = " ; ".join(map(str, example["constraints"]))
    return (
        f"<h4>One response, token by token</h4><p>Asked: {escaped(asked)}</p>"
        '<p class="lead">Rows are the tokens of the response in the order in which they are written, columns the '
        "constraints. A number is the percentage of attention that goes to that constraint's words while that token "
        f"is chosen; what a row lacks to 100 goes elsewhere. Seed {escaped(run.seed)}.</p>{''.join(out)}"
    )


def _matrix(example: Mapping[str, Any], rows: Sequence[Sequence[Any]], peak: float) -> str:
    head = "".join(f"<th>{escaped(text)}</th>" for text in example["constraints"])
    body = []
    for token, row in zip(example["response"], rows, strict=True):
        cells = "".join(
            f'<td class="heat look" style="--v:{100 * value / peak:.0f}%">{100 * value:.0f}</td>'
            for value in (number(each) or 0.0 for each in row)
        )
        body.append(f"<tr><th>{escaped('end' if token == '<end>' else token)}</th>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="shaded tokens"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
