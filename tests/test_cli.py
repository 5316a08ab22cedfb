"""The command: quick to answer, clear when it cannot."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from hindsight_rl import cli
from hindsight_rl.errors import HindsightError


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hindsight_rl.cli import main; main(['--help']);"
        "print([m for m in ('jax', 'torch', 'numpy', 'tyro', 'rich', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    for words in cli.COMMANDS:
        assert " ".join(words) in done.stdout


@pytest.mark.parametrize("words", list(cli.COMMANDS))
def test_every_command_exists_and_tells_its_options(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    module, function, _ = cli.COMMANDS[words]
    assert callable(getattr(import_module(module), function))
    with pytest.raises(SystemExit) as stopped:
        cli.main([*words, "--help"])
    assert stopped.value.code == 0
    assert "usage" in capsys.readouterr().out.lower()


def test_unknown_commands_list_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["agent", "dance"]) == 2
    assert "agent train" in capsys.readouterr().err


@pytest.mark.parametrize("group", ["agent", "lm", "sandbox"])
def test_the_first_word_lists_its_commands(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([group], [group, "--help"]):
        assert cli.main(argv) == 0
        said = capsys.readouterr().out
        for words in cli.COMMANDS:
            assert (f"\n  {' '.join(words)} " in said) == (words[0] == group)


def test_training_a_model_without_one_names_the_sandbox(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lm", "train", "--arms", "hir"]) == 2
    assert "--model is needed (to train a tiny model from scratch: hindsight sandbox train)" in capsys.readouterr().err


def test_bad_input_is_one_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(argv: list[str]) -> int:
        raise HindsightError("file x, line 3: mend it so")

    monkeypatch.setattr(import_module("hindsight_rl.report.page"), "main", fail)
    assert cli.main(["report", "x"]) == 2
    assert capsys.readouterr().err == "hindsight: file x, line 3: mend it so\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'craftax'", name="craftax")

    monkeypatch.setattr(cli.importlib, "import_module", absent)
    assert cli.main(["agent", "train"]) == 2
    assert "pip install 'hindsight-rl[agent]'" in capsys.readouterr().err


def test_the_version_stands_in_one_place() -> None:
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/hindsight_rl/__init__.py"
    assert f"\nversion: {cli.__version__}\n" in (root / "CITATION.cff").read_text("utf-8")
    assert f"## {cli.__version__}" in (root / "CHANGELOG.md").read_text("utf-8")


def test_a_closed_pipe_is_no_error():
    """`hindsight --help | head` ends without a traceback."""
    for arguments in (["--help"], ["score", "--help"]):
        command = [sys.executable, "-m", "hindsight_rl.cli", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout and process.stderr
            process.stdout.close()
            assert process.stderr.read() == b"" and process.wait() == cli.CLOSED_PIPE
