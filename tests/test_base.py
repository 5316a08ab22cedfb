"""Declaring and finding constraints, and third parties' entry points."""

import json
from types import SimpleNamespace

import pytest

from hindsight_rl.constraints import core as base
from hindsight_rl.constraints.core import ConstraintError, Param, checker, constraint


@pytest.fixture
def registry(monkeypatch):
    """A registry that forgets what the test declares."""
    base.ids()
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))


def _declare():
    @checker("acme:marks", Param("count", int, low=1), wording="Use at least {count} marks.")
    def marks(text, count):
        return text.raw.count("!") >= count


def test_a_declared_function_describes_checks_and_survives_json(registry):
    _declare()
    made = constraint("acme:marks", {"count": 2.0, "superfluous": None})
    assert made.describe() == "Use at least 2 marks." and made.kwargs == {"count": 2}
    assert made.check("Oh! No!") and not made.check("Oh!")
    assert constraint(**json.loads(json.dumps(made.to_json()))) == made
    with pytest.raises(ConstraintError, match="declared twice"):
        _declare()


def test_third_parties_come_in_by_entry_point(registry, monkeypatch):
    entry = SimpleNamespace(name="acme", value="acme.constraints", load=_declare)
    monkeypatch.setattr(base, "_PENDING", [base.ENTRY_POINTS])
    monkeypatch.setattr(base, "entry_points", lambda group: [entry] if group == base.ENTRY_POINTS else [])
    assert constraint("acme:marks", {"count": 1}).check("!")


def test_a_broken_entry_point_is_named(registry, monkeypatch):
    def fail():
        raise RuntimeError("no such thing")

    entry = SimpleNamespace(name="acme", value="acme.constraints", load=fail)
    monkeypatch.setattr(base, "_PENDING", [base.ENTRY_POINTS])
    monkeypatch.setattr(base, "entry_points", lambda group: [entry])
    with pytest.raises(ConstraintError, match=r"'acme'.*no such thing"):
        constraint("acme:marks", {"count": 1})


def test_values_of_the_wrong_kind_are_refused(registry):
    _declare()
    for value in (True, "2", 1.5, 0, [1]):
        with pytest.raises(ConstraintError, match="a whole number at least 1"):
            constraint("acme:marks", {"count": value})
