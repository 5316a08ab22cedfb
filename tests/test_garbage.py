"""Reading without garbage collection, and texts that do not need it."""

import gc
import weakref

import pytest

from hindsight_rl.constraints import both, constraint
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.data.garbage import without_collection


def test_it_is_off_meanwhile_and_on_again_after_an_error() -> None:
    with pytest.raises(KeyError), without_collection():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_made_counts_as_old() -> None:
    with without_collection():
        ring: list[object] = []
        ring.append(ring)
    assert gc.get_freeze_count() == 0
    assert any(each is ring for each in gc.get_objects(generation=2))


def test_what_a_program_has_frozen_stays_frozen() -> None:
    ring: list[object] = []
    ring.append(ring)
    gc.freeze()
    try:
        with without_collection():
            pass
        assert not any(each is ring for each in gc.get_objects())  # which lists what is not frozen
    finally:
        gc.unfreeze()


def test_a_judged_text_is_freed_without_the_collector() -> None:
    text = Text("First line\n*second*\nthird")
    left = weakref.ref(text)
    gc.disable()
    try:
        both([constraint("punctuation:no_comma"), constraint("keywords:existence", {"keywords": ["sea"]})], text)
        assert len(text.loose) > 3
        del text
        assert left() is None
    finally:
        gc.enable()
