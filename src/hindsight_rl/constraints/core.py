"""Verifiable constraints: how they are declared, found and validated. Standard library only.

A constraint is one function from a response to a verdict, under a public id and with typed kwargs::

    from hindsight_rl.constraints.core import Param, checker

    @checker(
        "acme:exclamations",
        Param("count", int, low=1),
        wording="Use at least {count} exclamation marks.",
        achieved=lambda text, count: {"count": text.raw.count("!")} if "!" in text.raw else None,
    )
    def exclamations(text: Text, count: int) -> bool:
        return text.raw.count("!") >= count

    constraint("acme:exclamations", {"count": 2}).check("Oh! No!")    # True

Work that several constraints share (words, sentences, tokens, language) lives on
:class:`~hindsight_rl.constraints.text.response.Text`, computed once per response. Where a function is not enough
(a computed description, a verdict that reads the prompt), subclass :class:`Checker` and decorate the class
with :func:`register`.

Third parties register the module of their constraints in the entry-point group ``hindsight_rl.constraints``.

Satisfying and violating responses for the property tests live in the test tree, not here: each family has
``tests/witness/<family>.py`` with ``WITNESSES: dict[str, Witness]`` (see ``tests/witness/__init__.py``).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar, Self

from hindsight_rl.constraints.text.plurals import agreeing
from hindsight_rl.constraints.text.response import Text, as_text
from hindsight_rl.errors import HindsightError

CURRENT = "current"
# The checkers of HiR's release, which are an earlier IFBench.
HIR = "hir"
# Checkers that follow the wording of their constraint in cases where the public ones do not.
CORRECTED = "corrected"
VERSIONS = (CURRENT, HIR, CORRECTED)
ENTRY_POINTS = "hindsight_rl.constraints"

# Modules that declare the public families, in the order in which they are searched for an id. A family's module
# brings all versions of its ids (it may import them from siblings).
FAMILIES = (
    "hindsight_rl.constraints.ifeval",
    "hindsight_rl.constraints.ifbench",
    "hindsight_rl.constraints.if_rlvr",
    "hindsight_rl.constraints.muldimif.content",
    "hindsight_rl.constraints.stored",
)
# The module that brings a version's checkers of the families' ids, imported when that version is first asked for.
_VERSION_MODULES = {CORRECTED: "hindsight_rl.constraints.corrected"}


class ConstraintError(HindsightError):
    """An unknown id, or kwargs that are missing, unknown or not accepted."""


@dataclass(frozen=True)
class Param:
    """One keyword argument of a constraint.

    name: the public name. kind: ``int``, ``float``, ``str``, ``bool``, or ``list`` (of strings).
    choices: accepted values, if finite. low, high: inclusive range (of the length, for ``list``).
    required: whether absence is an error; otherwise ``default`` is used (``None``: it stays absent).
    """

    name: str
    kind: type = str
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = True
    default: Any = None

    def accepts(self) -> str:
        """The accepted values in words, for errors and documentation."""
        if self.choices:
            return "one of " + ", ".join(repr(choice) for choice in self.choices)
        noun = {
            int: "a whole number",
            float: "a number",
            str: "a string",
            bool: "true or false",
            list: "a list of strings",
        }[self.kind]
        bounds = [
            f"{word} {bound:g}" for word, bound in (("at least", self.low), ("at most", self.high)) if bound is not None
        ]
        of = " of length" if self.kind is list and bounds else ""
        return noun + of + (" " + " and ".join(bounds) if bounds else "")

    def validate(self, value: Any) -> Any:
        """The value in this parameter's kind; raises ``ValueError`` when it is not accepted."""
        if self.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)  # columnar files turn a column of ints and nulls into floats
        elif self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif self.kind is list and isinstance(value, tuple):
            value = list(value)
        if not isinstance(value, self.kind) or (self.kind is int and isinstance(value, bool)):
            raise ValueError
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ValueError
        if self.choices and value not in self.choices:
            raise ValueError
        size: Any = len(value) if isinstance(value, list) else value
        if self.low is not None and not size >= self.low:
            raise ValueError
        if self.high is not None and not size <= self.high:
            raise ValueError
        return value


class Checker:
    """A constraint with its kwargs bound. Subclass, override :meth:`follows`, decorate with :func:`register`.

    ``id`` and ``version`` are set by the registration. ``kwargs`` holds what was given, validated, without
    nulls and without filled-in defaults: it survives a JSON round trip and is what the public data would
    carry. ``values`` adds the defaults and is what checkers read.
    """

    id: ClassVar[str] = ""
    version: ClassVar[str] = CURRENT
    params: ClassVar[tuple[Param, ...]] = ()
    wording: ClassVar[str] = ""
    restatement: ClassVar[str] = ""
    conflicts: ClassVar[frozenset[str]] = frozenset()
    depends: ClassVar[frozenset[str]] = frozenset()
    _known: ClassVar[dict[str, Param]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._known = {param.name: param for param in cls.params}

    def __init__(self, kwargs: Mapping[str, Any] | None = None, where: str | None = None) -> None:
        place = f"{where}: " if where else ""
        given = {name: value for name, value in kwargs.items() if value is not None} if kwargs else {}
        known = self._known
        for name in given:
            if name not in known:
                raise ConstraintError(
                    f"{place}{self.id} takes no kwarg {name!r}{_nearest(name, known)}; "
                    + ("it takes " + ", ".join(known) if known else "it takes none")
                )
        self.kwargs: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        for name, param in known.items():
            if name not in given:
                if param.required:
                    raise ConstraintError(f"{place}{self.id} needs the kwarg {name!r}: {param.accepts()}")
                self.values[name] = param.default
                continue
            try:
                self.kwargs[name] = self.values[name] = param.validate(given[name])
            except ValueError:
                raise ConstraintError(
                    f"{place}{self.id}: {name!r} is {_shown(given[name])}; it must be {param.accepts()}"
                ) from None
        try:
            self.validated()
        except ValueError as error:
            raise ConstraintError(f"{place}{self.id}: {error}") from None

    def validated(self) -> None:
        """Hook: checks across kwargs, or values made once per constraint; raise ``ValueError`` to reject."""

    def describe(self) -> str:
        """The constraint in words, the same every time."""
        return self._said(self.wording)

    def restate(self) -> str:
        """The constraint in the words of a rewritten instruction: exact where the public description is not."""
        return self._said(self.restatement) if self.restatement else self.describe()

    def _said(self, wording: str) -> str:
        # A list reads as the public descriptions print it: ['a', 'b'].
        values = {name: str(value) if type(value) is list else value for name, value in self.values.items()}
        return agreeing(wording.format_map(values))

    def follows(self, text: Text) -> bool:
        """Override: whether the response satisfies the constraint, in time linear in the response."""
        raise NotImplementedError

    def check(self, response: str | Text, prompt: str | None = None) -> bool:
        """The verdict on one response, taken as it is (see :mod:`.verdicts` for strict and loose)."""
        return bool(self.follows(as_text(response)))

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        """Kwargs that the response fulfils, as close as possible to the constraint's own; ``None`` if none are known.

        Unchanged kwargs may be omitted: :meth:`at` keeps them.
        """
        return None

    def vacuous(self, response: str | Text) -> bool:
        """Whether the constraint holds trivially: a single sentence is no evidence for "all sentences".

        Replay does not train on such a success. Verdicts do not depend on this.
        """
        return False

    def at(self, kwargs: Mapping[str, Any]) -> Self:
        """This constraint with these kwargs in place of its own; raises :class:`ConstraintError`."""
        return type(self)({**self.kwargs, **kwargs})

    def to_json(self) -> dict[str, Any]:
        """``{"id", "kwargs"}``; ``constraint(**json)`` makes an equal constraint."""
        return {"id": self.id, "kwargs": dict(self.kwargs)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checker) and type(other) is type(self) and other.kwargs == self.kwargs

    def __hash__(self) -> int:
        return hash((self.id, self.version, repr(sorted(self.kwargs.items()))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self.kwargs!r})"


def register(
    id: str,
    *,
    version: str = CURRENT,
    conflicts: Iterable[str] = (),
    depends: Iterable[str] = (),
) -> Callable[[type[Checker]], type[Checker]]:
    """Class decorator: put a :class:`Checker` under a public id.

    version: "current", or the name of an older behaviour (see :func:`constraint`).
    conflicts, depends: ids that cannot hold together with this one, and ids that it presupposes.
    """

    def put(cls: type[Checker]) -> type[Checker]:
        if (id, version) in _REGISTRY:
            raise ConstraintError(f"constraint id {id!r} ({version}) is declared twice")
        cls.id, cls.version = id, version
        if conflicts:
            cls.conflicts = frozenset(conflicts)
        if depends:
            cls.depends = frozenset(depends)
        _REGISTRY[id, version] = cls
        return cls

    return put


def checker(
    id: str,
    *params: Param,
    wording: str,
    restatement: str = "",
    version: str = CURRENT,
    conflicts: Iterable[str] = (),
    depends: Iterable[str] = (),
    achieved: Callable[..., dict[str, Any] | None] | None = None,
    vacuous: Callable[[Text], bool] | None = None,
) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    """Function decorator: ``f(text, **values) -> bool`` becomes the constraint `id`; returns ``f`` unchanged.

    wording: the description, a format string over the params' names. restatement: the same for rewritten instructions,
    where the public description does not say exactly what is checked, see :meth:`Checker.restate`. achieved: see
    :meth:`Checker.achieved`; like ``f`` it gets the :class:`Text` and the values. vacuous: see
    :meth:`Checker.vacuous`; it gets the :class:`Text`.
    """

    def put(function: Callable[..., bool]) -> Callable[..., bool]:
        body: dict[str, Any] = {
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "params": params,
            "wording": wording,
            "restatement": restatement,
            "follows": lambda self, text: function(text, **self.values),
        }
        if achieved is not None:
            body["achieved"] = lambda self, response: achieved(as_text(response), **self.values)
        if vacuous is not None:
            body["vacuous"] = lambda self, response: vacuous(as_text(response))
        name = "".join(word.title() for word in function.__name__.split("_"))
        register(id, version=version, conflicts=conflicts, depends=depends)(type(name, (Checker,), body))
        return function

    return put


def constraint(
    id: str,
    kwargs: Mapping[str, Any] | None = None,
    where: str | None = None,
    version: str = CURRENT,
) -> Checker:
    """The constraint `id` with its kwargs bound.

    kwargs: as the public data carry them; nulls count as absent. where: "file:line", put in front of errors.
    version: "current", "hir" for the checkers as released with HiR, or "corrected" for checkers that follow the
    wording (an id without that version has one behaviour, which is used). Raises :class:`ConstraintError`.
    """
    return checker_class(id, where, version)(kwargs, where)


def checker_class(id: str, where: str | None = None, version: str = CURRENT) -> type[Checker]:
    """The class behind an id; raises :class:`ConstraintError` naming the near matches of an unknown one."""
    _load_version(version)
    found = _REGISTRY.get((id, version)) or _REGISTRY.get((id, CURRENT))
    if found is None:
        _load(until=id)
        found = _REGISTRY.get((id, version)) or _REGISTRY.get((id, CURRENT))
    if found is None:
        place = f"{where}: " if where else ""
        raise ConstraintError(f"{place}unknown constraint id {id!r}{_nearest(id, ids())}")
    return found


def ids(version: str | None = None) -> list[str]:
    """All registered ids, sorted, third parties' included; `version`: only those that have that version."""
    _load()
    if version is not None:
        _load_version(version)
    return sorted({id for id, declared in _REGISTRY if version in (None, declared)})


_REGISTRY: dict[tuple[str, str], type[Checker]] = {}
_PENDING: list[str] = [*FAMILIES, ENTRY_POINTS]


def _load(until: str | None = None) -> None:
    """Import the families still pending, stopping at the one that declares the id `until`."""
    while _PENDING and (until is None or (until, CURRENT) not in _REGISTRY):
        name = _PENDING.pop(0)
        if name != ENTRY_POINTS:
            importlib.import_module(name)
            continue
        for entry in entry_points(group=ENTRY_POINTS):
            try:
                entry.load()
            except Exception as error:
                raise ConstraintError(f"entry point {entry.name!r} ({entry.value}) fails: {error}") from error


def _load_version(version: str) -> None:
    """Import the module of a version; raises :class:`ConstraintError` for one that nobody declares."""
    if version in _VERSION_MODULES:
        # Popped first: the module asks for the current versions of its ids while it is imported.
        importlib.import_module(_VERSION_MODULES.pop(version))
    elif version not in VERSIONS and not any(declared == version for _, declared in _REGISTRY):
        _load()
        known = dict.fromkeys([*VERSIONS, *(declared for _, declared in _REGISTRY)])
        if version not in known:
            raise ConstraintError(f"unknown version {version!r} of the checkers; one of: {', '.join(known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return " (did you mean " + ", ".join(near) + "?)" if near else ""


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
