"""`hindsight`: finds the command, imports its module, and passes on the arguments.

Run `hindsight --help`. Heavy packages are imported only after a command is chosen.
"""

import importlib
import os
import sys

from hindsight_rl import __version__
from hindsight_rl.errors import HindsightError

# words of the command -> (module, function taking the remaining arguments, one-line help)
COMMANDS: dict[tuple[str, ...], tuple[str, str, str]] = {
    ("agent", "train"): ("hindsight_rl.agent.training.train", "main", "train an agent in an environment"),
    ("agent", "eval"): (
        "hindsight_rl.agent.evaluation.evaluate",
        "main",
        "evaluate an agent per instruction in held-out worlds",
    ),
    ("agent", "watch"): ("hindsight_rl.agent.video.film", "main", "record a video of the policy that follows any text"),
    ("agent", "rate"): (
        "hindsight_rl.agent.evaluation.rating.command",
        "main",
        "let people rate relabels, and measure how much they agree",
    ),
    ("agent", "read"): (
        "hindsight_rl.agent.instructions.read",
        "main",
        "show how the agent understands an instruction",
    ),
    ("agent", "reward"): (
        "hindsight_rl.agent.reward.semantic",
        "main",
        "measure precision and recall of the semantic reward",
    ),
    ("agent", "envs"): ("hindsight_rl.agent.envs", "main", "list the environments"),
    ("agent", "worlds"): ("hindsight_rl.agent.envs.bank", "main", "generate a bank of worlds ahead of training"),
    ("sandbox", "train"): ("hindsight_rl.lm.sandbox.train", "main", "compare methods on a tiny language model"),
    ("lm", "train"): ("hindsight_rl.lm.trl.train", "main", "train a language model, through TRL"),
    ("lm", "evaluate"): (
        "hindsight_rl.lm.evaluate",
        "main",
        "generate and score responses to IFEval, IFBench, MulDimIF",
    ),
    ("compose",): ("hindsight_rl.data.compose.command", "main", "make training rows from prompts and constraints"),
    ("relabel",): ("hindsight_rl.data.relabel.command", "main", "make training rows from responses, in hindsight"),
    ("show",): ("hindsight_rl.data.show.command", "main", "show a file of training rows as an HTML page"),
    ("judge",): ("hindsight_rl.lm.judging", "main", "judge soft constraints with a language model"),
    ("decompose",): ("hindsight_rl.lm.decompose", "main", "split instructions into task and constraints"),
    ("report",): ("hindsight_rl.report.page", "main", "make an HTML page from one or more runs"),
    ("score",): (
        "hindsight_rl.evaluation.score",
        "main",
        "score responses to an instruction-following benchmark",
    ),
}

CLOSED_PIPE = 141
"""Exit code after writing into a closed pipe: what a shell reports for a command that SIGPIPE ended."""

# First word of a command -> the extra with its packages; for other commands, `llm`.
EXTRAS = {
    "agent": "agent",
    "report": "report",
    "lm": "lm",
    "sandbox": "lm",
    "score": "constraints",
    "compose": "constraints",
    "relabel": "constraints",
    "show": "constraints",
}


def usage(group: str | None = None) -> str:
    """The text of `hindsight --help`. group: list only commands with this first word."""
    chosen = {words: each for words, each in COMMANDS.items() if group in (None, words[0])}
    width = max(len(" ".join(words)) for words in chosen)
    rows = [f"  {' '.join(words):<{width}}  {text}" for words, (_, _, text) in chosen.items()]
    return "\n".join(
        [
            f"hindsight {__version__}: train instruction followers from their own failures",
            "",
            f"usage: hindsight {f'{group} ' if group else ''}COMMAND [options]"
            "     (hindsight COMMAND --help lists its options)",
            "",
            *rows,
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 2 bad input)."""
    try:
        try:
            return run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def run(argv: list[str] | None) -> int:
    """Find the command, and run it with the remaining arguments."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        print(usage())
        return 0
    if args[0] in ("-V", "--version"):
        print(__version__)
        return 0
    groups = {words[0] for words in COMMANDS if len(words) > 1}
    if args[0] in groups and (len(args) == 1 or args[1] in ("-h", "--help")):
        print(usage(args[0]))
        return 0
    for words, (module, function, _) in COMMANDS.items():
        if tuple(args[: len(words)]) == words:
            try:
                command = getattr(importlib.import_module(module), function)
                return int(command(args[len(words) :]) or 0)
            except HindsightError as error:
                print(f"hindsight: {error}", file=sys.stderr)
                return 2
            except ModuleNotFoundError as error:
                if (error.name or "").startswith("hindsight_rl"):
                    raise
                extra = EXTRAS.get(words[0], "llm")
                print(
                    f"hindsight: '{' '.join(words)}' needs the package '{error.name}': "
                    f"pip install 'hindsight-rl[{extra}]'",
                    file=sys.stderr,
                )
                return 2
    known = ", ".join(" ".join(words) for words in COMMANDS)
    print(f"hindsight: unknown command '{' '.join(args[:2])}'; one of: {known}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
