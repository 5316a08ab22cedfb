"""Prompts from tasks and constraints, against golden strings."""

import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.layouts import LAYOUTS, layout_of, render

TASK = "Describe a gull."
TEXTS = ["Use two sentences", "Is it white?", "No commas.", "Shout!", "Begin with 'A',"]
GOLDEN = {
    "type1": "Describe a gull. Use two sentences. Is it white? No commas. Shout! Begin with 'A',",
    "type2": "Describe a gull.\nUse two sentences. Is it white? No commas. Shout! Begin with 'A',",
    "type3": "Describe a gull.\n\nThe output must follow the following rules:\n1. Use two sentences\n2. Is it white?\n"
    "3. No commas.\n4. Shout!\n5. Begin with 'A',",
    "type4": "Describe a gull.\n\n- Use two sentences\n- Is it white?\n- No commas.\n- Shout!\n- Begin with 'A',",
    "type5": "Use two sentences. Is it white? No commas. Shout! Begin with 'A',\n\nDescribe a gull.",
    "type6": "Describe a gull.\n\nUse two sentences\nIs it white?\nNo commas.\nShout!\nBegin with 'A',",
    "plain": "Describe a gull. Use two sentences Is it white? No commas. Shout! Begin with 'A',",
}
ONE = {
    "type1": "Describe a gull. No commas.",
    "type2": "Describe a gull.\nNo commas.",
    "type3": "Describe a gull.\n\nThe output must follow the following rules:\n1. No commas",
    "type4": "Describe a gull.\n\n- No commas",
    "type5": "No commas.\n\nDescribe a gull.",
    "type6": "Describe a gull.\n\nNo commas",
    "plain": "Describe a gull. No commas",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    assert render(name, TASK, TEXTS) == GOLDEN[name]
    assert render(name, TASK, ["No commas"]) == ONE[name]
    assert render(name, TASK, []) == TASK


def test_own_layouts_and_unknown_names() -> None:
    assert render(lambda task, texts: " ; ".join([*texts, task]), "go", ["a", "b"]) == "a ; b ; go"
    with pytest.raises(HindsightError, match="unknown layout 'type7': one of plain, type1, "):
        render("type7", TASK, TEXTS)


def test_a_row_has_one_of_the_six_for_ever() -> None:
    assert [layout_of(key) for key in range(8)] == [layout_of(str(key)) for key in range(8)]
    assert layout_of("17") == "type3"  # pinned: a resumed run shows the same prompts
    counts = [sum(layout_of(key) == name for key in range(6000)) for name in LAYOUTS]
    assert min(counts) > 900


def test_a_chat_keeps_what_came_before() -> None:
    earlier = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
    )
    asked = Instruction(TASK, (), soft=("Be kind.",), layout="type4", earlier=earlier)

    def template(messages: list[dict]) -> str:
        return "".join(f"<{each['role']}>{each['content']}" for each in messages) + "<assistant>"

    assert asked.chat(template) == (
        "<system>Be brief.<user>Hi<assistant>Hello.<user>Describe a gull.\n\n- Be kind.<assistant>"
    )
    asked.messages[0]["content"] = "changed"
    assert earlier[0]["content"] == "Be brief."
