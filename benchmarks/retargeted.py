"""Which constraints `retarget` changes, with an example of each, as the table of docs/retargeted.md.

    python benchmarks/retargeted.py --docs

Every constraint that is registered and can be retargeted needs an example here; the script fails where one is missing,
where a response does not violate what was asked, or where it does not fulfil what is asked instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from grounding import write_between

from hindsight_rl.constraints.core import Checker, checker_class, constraint, ids
from hindsight_rl.replay.instruction import Instruction, restated
from hindsight_rl.replay.rewriting import Retarget
from hindsight_rl.replay.rollout import Rollout

ROOT = Path(__file__).parents[1]
SEA = "The sea is calm today. Gulls sleep on the old pier."
LONGEST = 160
LESS, LEAST = "less than", "at least"

EXAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "change_case:capital_word_frequency": ({"capital_relation": LEAST, "capital_frequency": 4}, "NASA and ESA agree."),
    "count:conjunctions": ({"small_n": 4}, "Tea or milk, but not both, and soon."),
    "count:lowercase_counting": ({"N": 5}, SEA),
    "count:numbers": ({"N": 3}, "I saw 2 gulls and 14 crows."),
    "count:person_names": ({"N": 4}, "Emma wrote to Liam."),
    "count:pronouns": ({"N": 5}, "We saw them, and they saw us."),
    "count:unique_word_count": ({"N": 30}, SEA),
    "count:word_count_range": ({"min_words": 20, "max_words": 25}, SEA),
    "detectable_content:number_placeholders": ({"num_placeholders": 4}, "Dear [name], come to [address] at [time]."),
    "detectable_content:postscript": ({"postscript_marker": "P.P.S"}, "See you soon.\nP.S. Bring tea."),
    "detectable_format:multiple_sections": (
        {"section_spliter": "Section", "num_sections": 3},
        "Section 1\nThe sea.\nSection 2\nThe pier.",
    ),
    "detectable_format:number_bullet_lists": ({"num_bullets": 4}, "* sea\n* pier\n* gulls"),
    "detectable_format:number_highlighted_sections": ({"num_highlights": 3}, "The *sea* is calm, the *pier* is old."),
    "first_word:first_word_answer": ({"first_word": "today"}, SEA),
    "first_word:first_word_sent": ({"first_word": "now"}, "Gulls sleep. Gulls wake."),
    "keywords:existence": ({"keywords": ["sea", "storm"]}, SEA),
    "keywords:forbidden_words": ({"forbidden_words": ["sea", "storm"]}, SEA),
    "keywords:frequency": ({"keyword": "gulls", "frequency": 3, "relation": LEAST}, "Gulls call. More gulls answer."),
    "keywords:keyword_specific_position": ({"keyword": "old", "n": 1, "m": 2}, SEA),
    "keywords:letter_frequency": ({"letter": "e", "let_frequency": 9, "let_relation": LEAST}, SEA),
    "keywords:word_count_different_numbers": ({"keyword": "the", "frequency": 5, "relation": LEAST}, SEA),
    "language:response_language": ({"language": "de"}, f"{SEA} They will wake up when the boats come in."),
    "last_word:last_word_answer": ({"last_word": "sea"}, SEA),
    "last_word:last_word_sent": ({"last_word": "now"}, "Gulls sleep today. The sea is calm today."),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "now"},
        "The sea is calm.\n\nGulls sleep.",
    ),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 3}, "The sea is calm.\n***\nGulls sleep."),
    "length_constraints:number_sentences": ({"relation": LEAST, "num_sentences": 4}, SEA),
    "length_constraints:number_words": ({"relation": LESS, "num_words": 8}, SEA),
    "letters:letter_counting": ({"N": 60, "relation": LEAST}, SEA),
    "letters:letter_counting2": ({"letter": "s", "let_frequency": 9, "let_relation": LEAST}, SEA),
    "ratio:overlap": ({"reference_text": "The sea is calm today.", "percentage": 90}, SEA),
    "ratio:stop_words": ({"percentage": 30}, SEA),
    "sentence:increment": ({"small_n": 3}, "Gulls sleep. The sea is calm. Now the old pier rests too."),
    "sentence:keyword": ({"word": "pier", "N": 1}, SEA),
    "startend:end_checker": ({"end_phrase": "Good night, everyone."}, SEA),
    "words:repeats": ({"small_n": 1}, "The sea, the pier, the gulls."),
    "muldimif:content:ending": ({"marks": ["!"]}, SEA),
    "muldimif:content:forbidden_marks": ({"marks": [".", "!"]}, SEA),
    "muldimif:content:keywords": ({"keywords": ["sea", "storm"]}, SEA),
    "muldimif:content:start": ({"start": "Today"}, SEA),
    "muldimif:format:entries": ({"low": 4}, "- sea\n- pier\n- gulls"),
    "muldimif:format:json_nesting": ({"low": 3}, '{"sea": {"state": "calm"}}'),
    "muldimif:format:sections": ({"low": 3}, "# Sea\nCalm.\n# Pier\nOld."),
    "muldimif:format:xml_attributes": ({"low": 3}, '<sea state="calm" hour="9">Calm.</sea>'),
    "muldimif:language:case": ({"case": "uppercase"}, "the sea is calm today."),
    "muldimif:length:paragraphs": ({"low": 3}, "The sea is calm.\n\nGulls sleep."),
    "muldimif:length:sentences": ({"low": 4}, SEA),
    "muldimif:length:words": ({"low": 20}, SEA),
}


@dataclass
class Settings:
    """What to write."""

    docs: bool = False
    """Write the table in docs/retargeted.md; otherwise it is printed."""


def retargetable() -> list[str]:
    """The ids with parameters whose achieved values are known."""
    classes = {id: checker_class(id) for id in ids() if not id.startswith(("sandbox:", "stored:", "acme:"))}
    return [id for id, each in classes.items() if each.params and each.achieved is not Checker.achieved]


def example(id: str) -> tuple[str, str, str]:
    """What is asked, the response, and what is asked instead."""
    kwargs, response = EXAMPLES[id]
    asked = constraint(id, kwargs)
    if asked.check(response):
        raise SystemExit(f"{id}: the response fulfils what is asked: {asked.describe()}")
    made = Retarget().rewrite(Rollout(Instruction("Describe the sea.", (asked,)), response, [False]))
    if made is None or not made.changed:
        return asked.describe(), response, ""
    (new,) = made.instruction.constraints
    if not new.check(response):
        raise SystemExit(f"{id}: the response does not fulfil {new.describe()}")
    return asked.describe(), response, restated(new)


def table() -> str:
    """The table in Markdown."""
    wanted = retargetable()
    if missing := sorted(set(wanted) ^ set(EXAMPLES)):
        raise SystemExit(f"examples and constraints differ: {', '.join(missing)}")
    lines = ["| id | asked | response | asked instead |", "|---|---|---|---|"]
    for id in wanted:
        cells = (f"`{id}`", *example(id))
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    shown = text if len(text) <= LONGEST else text[: LONGEST - 2] + " …"
    return shown.replace("|", r"\|").replace("<", "&lt;").replace("\n", "<br>") or "dropped"


def main() -> None:
    settings = tyro.cli(Settings, description=(__doc__ or "").splitlines()[0])
    if settings.docs:
        write_between(ROOT / "docs" / "retargeted.md", "retargeted", table())
    else:
        print(table())


if __name__ == "__main__":
    main()
