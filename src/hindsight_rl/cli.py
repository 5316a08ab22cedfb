"""`hindsight`: finds the command, imports the one module that it needs, hands over the arguments.

Run `hindsight --help`. Nothing heavy is imported until a command is chosen.
"""

import importlib
import sys

from hindsight_rl import __version__
from hindsight_rl.errors import HindsightError

# words of the command -> (module, function taking the remaining arguments, one-line help)
COMMANDS: dict[tuple[str, ...], tuple[str, str, str]] = {
    ("agent", "train"): ("hindsight_rl.agent.training.train", "main", "train an agent in Craftax"),
    ("agent", "eval"): ("hindsight_rl.agent.evaluation.evaluate", "main", "success per instruction on held-out worlds"),
    ("agent", "watch"): ("hindsight_rl.agent.video.film", "main", "film the policy following any text"),
    ("agent", "reward"): ("hindsight_rl.agent.reward.semantic", "main", "precision and recall of the semantic reward"),
    ("agent", "worlds"): ("hindsight_rl.agent.envs.bank", "main", "generate a bank of worlds ahead of training"),
    ("lm", "train"): ("hindsight_rl.lm.train", "main", "train a language model: in the sandbox, or any with --model"),
    ("lm", "evaluate"): ("hindsight_rl.lm.evaluate", "main", "responses to IFEval, IFBench, MulDimIF, scored"),
    ("compose",): ("hindsight_rl.data.compose.command", "main", "training rows out of any prompts and constraints"),
    ("judge",): ("hindsight_rl.lm.judging", "main", "a language model's verdicts on what no program checks"),
    ("decompose",): ("hindsight_rl.lm.decompose", "main", "take instructions apart into task and constraints"),
    ("report",): ("hindsight_rl.report.page", "main", "one HTML page from one or more runs"),
    ("score",): (
        "hindsight_rl.evaluation.score",
        "main",
        "score responses to an instruction-following benchmark",
    ),
}


def usage() -> str:
    """The text of `hindsight --help`."""
    width = max(len(" ".join(words)) for words in COMMANDS)
    rows = [f"  {' '.join(words):<{width}}  {text}" for words, (_, _, text) in COMMANDS.items()]
    return "\n".join(
        [
            f"hindsight {__version__}: train instruction followers from their own failures",
            "",
            "usage: hindsight COMMAND [options]     (hindsight COMMAND --help tells its options)",
            "",
            *rows,
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 2 bad input)."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        print(usage())
        return 0
    if args[0] in ("-V", "--version"):
        print(__version__)
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
                extra = {"agent": "agent", "report": "agent", "score": "constraints", "lm": "lm"}.get(words[0], "llm")
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
