"""Selection, budgets and verification of replays, on made verdicts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.config import BufferConfig, ReplayConfig
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.item import ReplayItem
from hindsight_rl.replay.pool import Pool
from hindsight_rl.replay.replayer import Replayed, Replayer
from hindsight_rl.replay.rewriting import Drop
from hindsight_rl.replay.rollout import Rollout
from hindsight_rl.replay.selection import LARGEST, Curriculum, Selector


@dataclass(frozen=True)
class Says:
    """A constraint that holds where the response has its letter."""

    letter: str
    id: str = "says"

    @property
    def kwargs(self) -> dict[str, Any]:
        return {"letter": self.letter}

    def describe(self) -> str:
        return f"Say {self.letter}."

    def check(self, response: str, prompt: str | None = None) -> bool:
        if response == "crash":
            raise RuntimeError("boom")
        return self.letter in response


ASKED = Instruction("Talk.", tuple(Says(letter) for letter in "abcd"))


def rollout(response: str, group: int = 0, entropy: float = 0.0, complete: bool = True) -> Rollout:
    return Rollout(ASKED, response, [each.letter in response for each in ASKED.constraints], group, entropy, complete)


def select(rollouts: list[Rollout], budget: int, step: int = 1, seed: int = 0, **settings: Any) -> Replayed:
    return Replayer(ReplayConfig(seed=seed, **settings)).replay(rollouts, step, budget=budget)


def sources(found: Replayed) -> list[int | None]:
    return [each.source for each in found.replays]


BATCH = [rollout(text) for text in ("abcd", "abc", "ab", "a", "", "xabx")]


@pytest.mark.parametrize(("budget", "expected"), [(0, []), (1, [1]), (2, [1]), (99, [1])])
def test_budgets(budget: int, expected: list[int]) -> None:
    found = select(BATCH, budget)
    assert sources(found)[: len(expected)] == expected
    assert len(found.replays) == min(budget, 4) and found.candidates == (4 if budget else 0)
    assert not {0, 4} & set(sources(found))  # all or none of the constraints hold


def test_a_negative_budget_is_an_error() -> None:
    with pytest.raises(HindsightError, match="budget of replays is -1: it must be at least 0"):
        select(BATCH, -1)


def test_the_rewritten_instruction_holds_what_held_in_its_order() -> None:
    (one,) = select([rollout("d b")], 5).replays
    assert [each.letter for each in one.instruction.constraints] == ["b", "d"]
    assert one.instruction.prompt == "Talk. Say b. Say d."
    assert one.rewrite.kept == (1, 3) and one.rewrite.dropped == (0, 2) and one.rewrite.changed == ()


def test_lambda_grows_as_released() -> None:
    weight = Curriculum().weight
    assert [round(weight(step), 2) for step in (1, 14, 28)] == [2.1, 3.96, 7.84]
    assert Curriculum(cap=10).weight(100) == 10 and weight(10**6) == LARGEST and Curriculum(start=0).weight(10**6) == 0


def test_scores_weigh_diversity_against_integrity() -> None:
    two = [rollout("a", entropy=1.0), rollout("abc", entropy=0.1)]
    assert sources(select(two, 1, step=1)) == [1]  # .1 + 2.1 * .75 > 1.0 + 2.1 * .25
    assert sources(select(two, 1, lambda_start=0.8)) == [0]
    assert sources(select(two, 1, strategy="integrity")) == [1]
    assert sources(select(two, 1, strategy="diversity")) == [0]
    found = select(two, 2, step=1)
    assert [each.score for each in found.replays] == pytest.approx([0.1 + 2.1 * 0.75, 1.0 + 2.1 * 0.25])
    assert (found.weight, found.diversity, found.integrity, found.kept) == pytest.approx((2.1, 0.55, 0.5, 0.5))


def test_an_endless_weight_still_orders() -> None:
    found = select([rollout("a"), rollout("abc"), rollout("ab")], 3, step=10**6, lambda_cap=1e6)
    assert sources(found) == [1, 2, 0]


def test_ties_and_random_selection_fall_by_chance_and_by_seed() -> None:
    same = [rollout(f"ab{number}") for number in range(8)]
    for strategy in ("curriculum", "random"):
        orders = {tuple(sources(select(same, 8, seed=seed, strategy=strategy))) for seed in range(5)}
        assert len(orders) == 5
        assert sources(select(same, 8, seed=3, strategy=strategy)) == sources(
            select(same, 8, seed=3, strategy=strategy)
        )
    best = [rollout("a", entropy=9), rollout("abc"), *same]
    assert any(sources(select(best, 1, seed=seed, strategy="random")) == [5] for seed in range(60))


def test_groups_share_evenly_where_asked() -> None:
    rollouts = [rollout(f"abc{n}", 0) for n in range(4)] + [rollout(f"a{n}", 1) for n in range(4)]
    assert {rollouts[at].group for at in sources(select(rollouts, 4))} == {0}
    found = select(rollouts, 8, scope="group", replays_per_prompt=2)
    assert sorted(rollouts[at].group for at in sources(found)) == [0, 0, 1, 1]


def test_a_truncated_response_is_never_replayed() -> None:
    found = select([rollout("abc", complete=False), rollout("a")], 2)
    assert sources(found) == [1] and found.candidates == 1


def test_entropy_that_is_no_number_is_an_error() -> None:
    with pytest.raises(HindsightError, match="rollout 1: entropy is nan; the policy's logits are not finite"):
        select([rollout("a"), rollout("a", entropy=float("nan"))], 1)


def test_a_replay_is_checked_again_and_its_place_goes_to_the_next() -> None:
    liar = Rollout(ASKED, "only d", [True, False, False, True])
    found = select([liar, rollout("a")], 1)
    assert sources(found) == [1] and found.rejected == {"says fails verification": 1}
    with pytest.raises(HindsightError, match="1 verdicts for 2 constraints; correct `verify`"):
        Replayer(ReplayConfig(), verifier=lambda instruction, response: [True]).replay([rollout("ab")], 1)


def test_an_exception_of_a_checker_costs_its_row_only() -> None:
    found = select([Rollout(ASKED, "crash", [True, False, False, False], entropy=5), rollout("a")], 2)
    assert sources(found) == [1] and found.rejected == {"RuntimeError while rewriting or verifying": 1}


def test_the_same_response_is_replayed_once_under_an_instruction() -> None:
    rollouts = [rollout("ab"), rollout("ab", 1), rollout("ab c", 1)]
    found = select(rollouts, 3)
    assert len(found.replays) == 2 and found.rejected == {"duplicate replay": 1}
    assert len(select(rollouts, 3, distinct=False).replays) == 3


def test_an_answer_that_repeats_a_constraint_is_not_replayed() -> None:
    texts = ("Say the letter a.", "Say d.")
    asked = Instruction("Talk.", (Says("a"), Says("z")), texts=texts)
    said = ["a: SAY  the letter\n'a'", "a 1. Say the letter a.", "a Say d.", "a say the letters a"]
    failures = [Rollout(asked, text, [True, False], group) for group, text in enumerate(said)]
    found = select(failures, 9)
    assert sorted(sources(found)) == [2, 3] and found.rejected == {"the answer repeats a constraint": 2}
    assert sorted(sources(select(failures, 9, repeats=True))) == [0, 1, 2, 3]


def test_nothing_to_replay() -> None:
    for rollouts in ([], [rollout("abcd")] * 3, [rollout("")] * 3):
        found = select(rollouts, 4)
        assert found.replays == [] and found.candidates == 0 and found.integrity == 0.0


def test_keep_replays_failures_as_they_are() -> None:
    found = select(BATCH, 9, rewriter="keep")
    assert len(found.replays) == 4 and all(each.instruction is ASKED for each in found.replays)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strategy": "best"}, "strategy is 'best': one of"),
        ({"scope": "all"}, "scope"),
        ({"per_group": 0}, "per_group"),
    ],
)
def test_unknown_settings(settings: dict, said: str) -> None:
    with pytest.raises(HindsightError, match=said):
        Selector(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rewriter": "best"}, "unknown rewriter 'best': one of drop, retarget, keep"),
        ({"replays_per_prompt": -1}, "replays_per_prompt is -1: it must be at least 0"),
        ({"relabels": 0}, "relabels is 0: it must be at least 1"),
        ({"strategy": "best"}, "strategy is 'best': one of"),
        ({"buffer_rows_per_prompt": -1}, "buffer_rows_per_prompt is -1: it must be at least 0"),
        ({"buffer_capacity": 0}, "buffer_capacity is 0: it must be at least 1"),
        ({"buffer_successes": 1.5}, "buffer_successes is 1.5: a share between 0 and 1"),
    ],
)
def test_a_bad_setting_is_named_before_anything_is_replayed(settings: dict, said: str) -> None:
    kind = BufferConfig if next(iter(settings)).startswith("buffer") else ReplayConfig
    with pytest.raises(HindsightError, match=said):
        kind(**settings)


def test_the_budget_is_of_the_prompts_and_steps_have_random_numbers_of_their_own() -> None:
    batch = [rollout(f"ab{group}{n}", group) for group in range(3) for n in range(4)]
    replayer = Replayer(ReplayConfig(replays_per_prompt=2, seed=5))
    one, again, other = (replayer.replay(batch, step) for step in (1, 1, 2))
    assert len(one.replays) == 6
    assert sources(one) == sources(again) != sources(other)
    assert Replayer(ReplayConfig(replays_per_prompt=0)).replay(batch, 1) == Replayed()
    assert not Replayer(ReplayConfig(replays_per_prompt=0)).eligible(batch[0]) and replayer.eligible(batch[0])
    # With a stream that was given, every call draws on.
    stream = Replayer(ReplayConfig(), rng=np.random.default_rng(0))
    assert sources(stream.replay(batch, 1)) != sources(stream.replay(batch, 1))


def test_a_replay_carries_its_texts_and_then_the_tokens_of_an_engine() -> None:
    (item,) = select([rollout("<think>x</think>a b")], 1).replays
    assert (item.source, item.prompt, item.completion) == (0, "Talk. Say a. Say b.", "<think>x</think>a b")
    assert item.instruction.prompt == item.prompt
    coded = item.encoded([1, 2], [3])
    assert (coded.prompt, coded.completion, coded.rewrite) == ([1, 2], [3], item.rewrite)
    with pytest.raises(ValueError, match="replay buffer has no instruction"):
        ReplayItem(None, "x", "y").instruction  # noqa: B018


def test_a_verdict_is_aligned() -> None:
    with pytest.raises(ValueError, match="1 verdicts for 4 constraints"):
        Rollout(ASKED, "a", [True])


def relabeled(rollouts: list[Rollout], relabels: int, budget: int = 99) -> Replayed:
    replayer = Replayer(ReplayConfig(relabels=relabels), rng=np.random.default_rng(0))
    return replayer.replay(rollouts, 1, budget=budget)


OTHER = Instruction("Sing.", tuple(Says(letter) for letter in "efgh"))


def test_a_failure_is_relabeled_by_what_else_the_batch_asks_for() -> None:
    failure = rollout("a b ef")
    other = Rollout(OTHER, "", [False] * 4, group=1)
    found = relabeled([failure, other], 4)
    assert [each.own for each in found.replays] == [True, False, False, False]
    assert {each.source for each in found.replays} == {0}
    own, *more = found.replays
    assert own.instruction.prompt == "Talk. Say a. Say b."
    for each in more:
        # As many as it had, all of which hold, none twice, under its own task.
        letters = [constraint.letter for constraint in each.instruction.constraints]  # type: ignore[attr-defined]
        assert sorted(letters) == ["a", "b", "e", "f"] and each.instruction.task == "Talk."
        assert each.instruction.prompt.startswith("Talk. Say ")
    assert len({each.instruction.prompt for each in more}) > 1


def test_further_relabels_count_against_the_budget() -> None:
    batch = [rollout("a b ef"), rollout("c d gh", group=1), Rollout(OTHER, "", [False] * 4, group=2)]
    assert len(relabeled(batch, 3, budget=2).replays) == 2
    assert len(relabeled(batch, 3, budget=4).replays) == 4
    assert len(relabeled(batch, 3).replays) == 6


def test_a_pool_holds_no_more_of_an_id_than_one_instruction_asks_for() -> None:
    once = Instruction("Hum.", (Says("x", id="hums"), Says("y", id="says")))
    pool = Pool.of([once, once])
    assert pool.most == {"hums": 1, "says": 1} and len(pool.constraints) == 2
    asked = Rollout(Instruction("Talk.", tuple(Says(letter, id="says") for letter in "xyz")), "xyz", [True] * 3)
    made = pool.rewrite(asked, Drop(), np.random.default_rng(0))
    assert made is not None and sorted(each.id for each in made.instruction.constraints) == ["hums", "says"]
    assert Pool.of([ASKED]).rewrite(Rollout(once, "", [False, False]), Drop(), np.random.default_rng(0)) is None


def test_what_presupposes_something_or_is_inline_is_not_lent() -> None:
    leaning = Instruction("Talk.", (Says("a"), Says("b")), needs=((), (0,)))
    assert [each.letter for each in Pool.of([leaning]).constraints] == ["a"]  # type: ignore[attr-defined]
    inline = Instruction("Say a.", (Says("a"),), prompt="Say a.")
    assert inline.inline and not Pool.of([inline]).constraints
