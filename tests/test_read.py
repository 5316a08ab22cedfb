"""`hindsight agent read`, with and without a language model."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat_server import ChatServer
from hindsight_rl.agent.instructions.clauses import InstructionError
from hindsight_rl.agent.instructions.llm_reader import LlmReader
from hindsight_rl.agent.instructions.parser import parse
from hindsight_rl.agent.instructions.read import instructions_of, read, understood
from hindsight_rl.cli import main
from hindsight_rl.endpoint import Endpoint, EndpointSettings

TEXTS = (
    "collect wood, then place a table",
    "collect 3 wood, but do not make an iron pickaxe",
    "fly to the moon and drink",
    "die",
)


def test_json_has_one_object_per_instruction_in_order(capsys, real_encoder):
    assert main(["agent", "read", *TEXTS, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[:2] == [
        {"events": ["collect_wood", "place_table"], "avoid": [], "ordered": True},
        {
            "events": ["collect_wood"],
            "avoid": ["make_iron_pickaxe"],
            "ordered": False,
            "times": [3],
            "counts": {"collect_wood": 3},
        },
    ]
    assert list(rows[2]) == ["refused"] == list(rows[3])
    assert "fly to the moon" in rows[2]["refused"] and "harms" in rows[3]["refused"]


def test_people_read_goals_order_number_and_what_is_forbidden(capsys, real_encoder, tmp_path):
    (tmp_path / "some.txt").write_text(f"{TEXTS[0]}\n\n{TEXTS[1]}\n")
    assert main(["agent", "read", str(tmp_path / "some.txt")]) == 0
    out = capsys.readouterr().out
    assert "  1. collect wood: collect_wood\n  2. place a table: place_table\n" in out
    assert "  - collect wood: collect_wood, 3 times\n  never: make_iron_pickaxe\n" in out


@pytest.mark.parametrize(("texts", "error"), [((" ",), "no instruction"), (("drink", "--env", "nowhere"), "nowhere")])
def test_an_error_says_what_to_give(capsys, texts, error):
    assert main(["agent", "read", *texts]) == 2
    assert error in capsys.readouterr().err


def answer(goals, avoid=(), understood=True, ordered=False):
    rows = [{"event": event, "times": times} for event, times in goals]
    return json.dumps({"goals": rows, "ordered": ordered, "avoid": list(avoid), "understood": understood})


def ask(url, tmp_path, reward, text):
    settings = EndpointSettings(base_url=url, model="tiny", cache=str(tmp_path / "answers.sqlite3")).resolved({})
    reader = LlmReader(Endpoint(settings), reward)
    try:
        return read(text, reward, reader)
    finally:
        reader.close()


def test_a_language_model_reads_what_is_not_understood_once(real_reward, tmp_path):
    with ChatServer([answer([("collect_wood", 2)], ["collect_drink"])]) as server:
        for _ in range(2):
            parsed = ask(server.url, tmp_path, real_reward, "brontosaur me a duo of boles, sans quaffing")
            assert (parsed.events, parsed.times, parsed.avoid) == (("collect_wood",), (2,), ("collect_drink",))
            assert parsed.goals == ("collect wood",)
        ask(server.url, tmp_path, real_reward, "collect wood")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer([("collect_gold", 1)]), "'collect_gold' is no event"),
        (answer([("die", 1)]), "die harms"),
        (answer([]), "0 goals"),
        (answer([("collect_wood", 99)]), "99 times"),
        (answer([("collect_wood", 1)], ["collect_wood"]), "asked for and forbidden"),
        (answer([("collect_wood", 1)]), "leaves out collect_drink"),
        (answer([("collect_drink", 1)], understood=False), "does not understand it either"),
        ("certainly!", "no usable answer"),
    ],
)
def test_its_answer_is_checked(real_reward, tmp_path, said, error):
    with ChatServer([said]) as server, pytest.raises(InstructionError, match=error):
        ask(server.url, tmp_path, real_reward, "brontosaur the boles and drink water")


def test_a_hit_that_the_model_forbids_forbids_the_kill_too(real_reward, tmp_path):
    with ChatServer([answer([("collect_wood", 1)], ["hit_zombie", "hit_zombie"])]) as server:
        parsed = ask(server.url, tmp_path, real_reward, "brontosaur the boles without smiting the dead")
    assert parsed.avoid == ("hit_zombie", "defeat_zombie")


def test_threads_read_at_the_same_time(real_reward):
    texts = ("collect wood and drink from the lake", "place a table, then eat a cow but do not sleep")
    wanted = [parse(text, real_reward) for text in texts]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda at: [parse(texts[at], real_reward) for _ in range(100)], range(2)))
    assert found == [[each] * 100 for each in wanted]


def test_a_long_sentence_is_no_file(real_reward):
    assert instructions_of(("collect wood" + "’" * 120,)) == ["collect wood" + "’" * 120]


def test_it_is_not_asked_for_harm(real_reward, tmp_path):
    with ChatServer([answer([("collect_wood", 1)])]) as server, pytest.raises(InstructionError, match="harms"):
        ask(server.url, tmp_path, real_reward, "die")


def test_counts_of_one_event_in_several_places_are_kept_apart(real_reward):
    texts = (
        "collect 3 wood, then place a table, then collect wood",
        "collect wood, then place a table, then collect 3 wood",
    )
    rows = [understood(read(text, real_reward)) for text in texts]
    assert [row["times"] for row in rows] == [[3, 1, 1], [1, 1, 3]]
    assert [row["counts"] for row in rows] == [{"collect_wood": 4}] * 2
