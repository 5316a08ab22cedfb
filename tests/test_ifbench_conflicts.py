"""The table of what cannot hold together."""

from hindsight_rl.constraints.ifbench.conflicts import CONFLICTS, IDS


def test_a_laid_down_response_leaves_room_for_nothing() -> None:
    assert CONFLICTS["repeat:repeat_simple"] == IDS - {"repeat:repeat_simple"}


def test_tasks_exclude_each_other_and_little_else() -> None:
    tasks = {id for id in IDS if id.startswith("custom:")}
    assert tasks - {"custom:multiples"} < CONFLICTS["custom:multiples"]
    assert "count:numbers" not in CONFLICTS["custom:multiples"]


def test_pairs_reach_other_families_too() -> None:
    assert "punctuation:no_comma" in CONFLICTS["count:punctuation"]
    assert "words:alphabet" in CONFLICTS["words:last_first"]
    assert all(id not in others for id, others in CONFLICTS.items())
