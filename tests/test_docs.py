"""The pages: what they claim runs, what they link to is there, what they name exists.

A fenced block below a line `<!-- tested -->` is run, in a new folder for each page, its blocks in their order:

- `python`: with the names of the page's earlier blocks. A `text` block right behind it must be what it prints.
- `console`: each line `$ command` is a `hindsight` command, or `cat`, `ls` or `printf` in a shell. What stands below it
  must be what it prints to standard output. A line `...` stands for any lines.

A page that names `tiny-model` finds a folder of that name with a random model of a few thousand weights.

`WRITE_DOCS=1 pytest tests/test_docs.py` writes what is printed now into `console` blocks without `...`.
"""

import ast
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import hindsight_rl
from hindsight_rl import cli
from tiny_lm import tiny_model

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
FENCE = re.compile(r"^(?P<tested><!-- tested -->\n)?^```(?P<kind>[\w-]*)[^\n]*\n(?P<body>.*?)^```$", re.M | re.S)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
# `hindsight` and the words behind it, as a command is written: in a block at the start of a line, or in code.
COMMAND = re.compile(r"(?:^|`|\$ )hindsight((?: [a-z][a-z-]*)+)", re.M)

# Runs the steps of a page in one process and prints what each printed, as JSON.
RUNNER = """
import contextlib, io, json, os, shlex, subprocess, sys
from hindsight_rl import cli
names, printed = {"__name__": "__main__"}, []
for kind, body in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        if kind == "python":
            exec(compile(body, "page", "exec"), names)
        elif kind == "hindsight":
            code = cli.main(shlex.split(body)[1:])
            assert code == 0, f"{body}: exit code {code}"
        else:
            out.write(subprocess.run(body, shell=True, check=True, capture_output=True, text=True).stdout)
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def steps_of(text: str) -> list[tuple[str, str, str | None, tuple[int, int]]]:
    """(kind, what to run, what it must print or None, where in the text that stands) of a page's tested blocks."""
    steps: list[tuple[str, str, str | None, tuple[int, int]]] = []
    for block in FENCE.finditer(text):
        if not block["tested"]:
            continue
        if block["kind"] == "python":
            output = re.compile(r"\n\s*```text\n(?P<body>.*?)^```$", re.M | re.S).match(text, block.end())
            span = output.span("body") if output else (0, 0)
            steps.append(("python", block["body"], output and output["body"], span))
            continue
        assert block["kind"] == "console", f"a tested block is python or console, not {block['kind']!r}"
        found = list(re.finditer(r"^\$ (?P<line>.*)\n(?P<out>(?:^(?!\$ ).*\n)*)", block["body"], re.M))
        assert found, "a console block needs a line '$ command'"
        for each in found:
            words = shlex.split(each["line"])
            assert words[0] in ("hindsight", "printf", "cat", "ls"), f"not a command that is run here: {each['line']}"
            start = block.start("body")
            span = start + each.start("out"), start + each.end("out")
            steps.append(("hindsight" if words[0] == "hindsight" else "shell", each["line"], each["out"], span))
    return steps


PROGRAMS = [
    ("docs/howto/own_trainer.md", "Replayer("),
    ("docs/howto/own_trainer.md", "constraint_reward("),
    ("docs/trl.md", "HiRTrainer("),
    ("docs/agent.md", ".fit()"),
    ("docs/howto/own_environment.md", "env="),
]


@pytest.mark.parametrize(("page", "shows"), PROGRAMS, ids=[shows for _, shows in PROGRAMS])
def test_each_use_of_the_library_is_a_program_of_at_most_15_lines(page: str, shows: str) -> None:
    blocks = [body for kind, body, _, _ in steps_of((ROOT / page).read_text("utf-8")) if kind == "python"]
    found = [body for body in blocks if shows in body]
    assert found, f"{page} has no tested program with {shows}"
    assert min(sum(bool(line.strip()) for line in body.splitlines()) for body in found) <= 15


def matches(printed: str, claimed: str) -> bool:
    """Equal but for white space at line ends and around, and for what `...` stands for."""
    lines = [re.escape(line.rstrip()) for line in claimed.strip().splitlines()]
    pattern = "\n".join(r"(?:.*\n)*?.*" if line == re.escape("...") else line for line in lines)
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed.strip().splitlines())) is not None


TESTED = [page for page in PAGES if "<!-- tested -->" in page.read_text("utf-8")]
TRAINS = [ROOT / page for page, shows in PROGRAMS if shows in (".fit()", "env=")]
"""Pages that train an agent."""


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.agent if page in TRAINS else ()) for page in TESTED], ids=name_of
)
def test_tested_blocks_print_what_they_claim(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    steps = steps_of(text)
    assert len(steps) >= text.count("<!-- tested -->"), "a line '<!-- tested -->' stands above no block"
    if any("tiny-model" in body for _, body, _, _ in steps):
        tiny_model(tmp_path / "tiny-model")
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps([(kind, body) for kind, body, _, _ in steps]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    if os.environ.get("WRITE_DOCS"):
        for (kind, _, claimed, (start, end)), said in reversed(list(zip(steps, printed, strict=True))):
            if kind != "python" and claimed is not None and "..." not in claimed.split("\n"):
                text = text[:start] + (said.rstrip() + "\n" if said.strip() else "") + text[end:]
        page.write_text(text, "utf-8")
        steps = steps_of(text)
    for (_, body, claimed, _), said in zip(steps, printed, strict=True):
        if claimed is not None:
            assert matches(said, claimed), f"{name_of(page)}: {body}\nprints\n{said}\nand not\n{claimed}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        number = 0
        while (made := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(made)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.finditer(prose(page)):
        target, _, anchor = link["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (page.parent / target) if target else page
        if not there.exists():
            broken.append(link[0])
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            broken.append(f"{link[0]} (no such heading)")
    assert not broken, broken


def test_a_broken_link_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One, two\n\n[good](#one-two) and [bad](#three) and [gone](gone.md)\n\n```\n[code](x)\n```\n")
    assert [link["target"] for link in LINK.finditer(prose(page))] == ["#one-two", "#three", "gone.md"]
    assert anchors(page) == {"one-two"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    unknown = []
    firsts = {words[0] for words in cli.COMMANDS}
    for found in COMMAND.finditer(page.read_text("utf-8")):
        words = tuple(found[1].split())
        known = words[:1] in cli.COMMANDS or words[:2] in cli.COMMANDS
        # `hindsight agent` alone names the group, not a command.
        if not known and not (len(words) == 1 and words[0] in firsts):
            unknown.append(" ".join(("hindsight", *words)))
    assert not unknown, f"not among cli.COMMANDS: {unknown}"


class Loader(yaml.SafeLoader):
    """mkdocs.yml without its Python objects."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def test_every_page_is_in_the_navigation() -> None:
    site = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)

    def pages(part: object) -> list[str]:
        if isinstance(part, str):
            return [part]
        return [page for each in (part.values() if isinstance(part, dict) else part) for page in pages(each)]  # type: ignore[attr-defined]

    listed = pages(site["nav"])
    assert len(listed) == len(set(listed))
    pages_there = [page for kind in ("*.md", "*.ipynb") for page in DOCS.rglob(kind)]
    assert set(listed) == {page.relative_to(DOCS).as_posix() for page in pages_there}


def test_the_reference_names_what_is_there() -> None:
    source = ROOT / "src"
    for page in (DOCS / "reference").glob("*.md"):
        for name in re.findall(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.M):
            path = source.joinpath(*name.split("."))
            module = path.with_suffix(".py").exists() or (path / "__init__.py").exists()
            assert module or name.removeprefix("hindsight_rl.") in hindsight_rl.__all__, f"{page.name}: {name}"
    shown = set(re.findall(r"^::: hindsight_rl\.(\w+)$", (DOCS / "reference/api.md").read_text("utf-8"), re.M))
    assert shown == set(hindsight_rl.__all__) - {"__version__"}


NO_METRICS = ("uid", "responses")
"""Keys of the rows that these functions read."""
METRICS = [
    ("lm/trl/metrics.py", "replay_metrics", "hir/", "methods/hir.md"),
    ("lm/verl/rows.py", "replays", "", "methods/hir.md"),
    ("lm/sandbox/learner.py", "_metrics", "", "methods/hir.md"),
    ("lm/sandbox/learner.py", "advance", "", "methods/hir.md"),
    ("agent/training/training_run.py", "digest", "", "methods/oir.md"),
    ("agent/relabeling/llm.py", "metrics", "", "methods/oir.md"),
]


@pytest.mark.parametrize(("module", "function", "prefix", "page"), METRICS)
def test_every_metric_is_documented(module: str, function: str, prefix: str, page: str) -> None:
    """The keys of the metrics that a function makes stand on the method's page."""
    tree = ast.parse((ROOT / "src/hindsight_rl" / module).read_text("utf-8"))
    made = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
    keys = [key for n in ast.walk(made) if isinstance(n, ast.Dict) for key in n.keys if key is not None]
    keys += [n.slice for n in ast.walk(made) if isinstance(n, ast.Subscript)]
    words = [n.value for key in keys for n in ast.walk(key) if isinstance(n, ast.Constant)]
    named = {word for word in words if isinstance(word, str)} - {"train", "relabel", prefix, *NO_METRICS}
    text = (DOCS / page).read_text("utf-8")
    assert len(named) > 2
    assert {name for name in named if f"`{prefix}{name}`" not in text} == set()


def test_links_out_of_docs_are_mended_for_the_site(caplog: pytest.LogCaptureFixture) -> None:
    spec = importlib.util.spec_from_file_location("site_hook", DOCS / "site_hook.py")
    assert spec and spec.loader
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    page = SimpleNamespace(file=SimpleNamespace(src_uri="methods/page.md"))
    text = "[habits](../../AGENTS.md#x) [here](../agent.md#limits) ![p](../../x.png)\n```\n[no](../../AGENTS.md)\n```\n"
    rest = " [here](../agent.md#limits) ![p](../../x.png)\n```\n[no](../../AGENTS.md)\n```\n"
    for address, shown in (
        (None, "habits (`AGENTS.md`)"),
        ("https://host/repo/", "[habits](https://host/repo/blob/main/AGENTS.md#x)"),
    ):
        config = SimpleNamespace(docs_dir=str(DOCS), repo_url=address)
        assert hook.on_page_markdown(text, page=page, config=config) == shown + rest
    assert not caplog.records
    hook.on_page_markdown("[gone](../../GONE.md)", page=page, config=config)
    assert "is not there" in caplog.text
