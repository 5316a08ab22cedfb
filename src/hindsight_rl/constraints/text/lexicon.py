"""Words looked up in data: stop words, verbs, syllables, emoji.

Stop words and the tagger's weights are NLTK's when its data is found (as for sentences: ``$NLTK_DATA`` and
the usual folders; nothing is downloaded), so that scores are those published. Without them a built-in list of
stop words and a small rule for verbs answer: good for a reward, not for a published score. ``emoji`` and
``syllapy`` come with ``pip install "hindsight-rl[constraints]"``.
"""

from __future__ import annotations

import importlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from hindsight_rl.constraints.text.sentences import nltk_data
from hindsight_rl.errors import HindsightError

# English function words, for use without NLTK's list.
_STOP_WORDS = """
a an the this that these those i me my mine myself we us our ours ourselves you your yours yourself yourselves
he him his himself she her hers herself it its itself they them their theirs themselves
what which who whom whose when where why how
am is are was were be been being have has had having do does did doing will would shall should can could may
might must and but or nor if because as until while of at by for with about against between into through
during before after above below to from up down in out on off over under again further then once here there
all any both each few more most other some such no not only own same so than too very just now
s t d ll m o re ve y don ain aren couldn didn doesn hadn hasn haven isn mightn mustn needn shan shouldn wasn
weren won wouldn
"""

# Verbs that often begin a sentence in the imperative, for use without the tagger.
_VERBS = """
add allow answer apply ask avoid be become begin bring build buy call change check choose click combine
come compare consider continue cook copy create cut decide define describe design develop discover do
draw drink drive eat embrace enjoy ensure enter evaluate examine explain explore fill find fix focus
follow get give go grab have help hold identify imagine include install invest join jump keep know learn
leave let list listen look make meet mix move note observe open place plan play prepare provide put read
reduce remember remove replace review run save say see select send set share show sit solve speak start
stay stir stop study take talk teach tell think travel try turn understand use visit wait walk watch work
write is are was were has had does did can could will would should may might must
"""


@lru_cache(maxsize=1)
def stop_words() -> frozenset[str]:
    """Lower-case English stop words."""
    path = nltk_data("corpora/stopwords/english")
    return frozenset((_STOP_WORDS if path is None else path.read_text(encoding="utf-8")).split())


def forget() -> None:
    """Search for the data again at the next use, for a process that changes ``$NLTK_DATA``."""
    stop_words.cache_clear()
    _tagger.cache_clear()


def starts_with_verb(tokens: list[str]) -> bool:
    """Whether the first of a text's tokens is tagged as a verb (Penn Treebank tags VB, VBD, VBG, ...)."""
    if not tokens:
        return False
    tagger = _tagger()
    if tagger is not None:
        return "VB" in tagger.first_tag(tokens)
    word = tokens[0].lower()
    return word in _VERBS.split() or (len(word) > 5 and word.endswith("ing"))


class Weights:
    """The file of weights, {feature: {tag: weight}}, of which a few features are looked up where they stand.

    Parsing it takes a tenth of a second, as long as all other verdicts on a benchmark's file together, so it
    is put off until there have been so many look-ups that it pays.
    """

    def __init__(self, path: Path, lookups: int = 100) -> None:
        self._raw = path.read_text(encoding="utf-8")
        self._left = lookups
        self._parsed: dict[str, dict[str, float]] = {}

    def of(self, feature: str) -> dict[str, float]:
        """The weights of a feature, empty where it has none."""
        if feature not in self._parsed and self._raw:
            self._left -= 1
            if self._left < 0:
                self._parsed, self._raw = json.loads(self._raw), ""
            else:
                self._parsed[feature] = self._found(feature)
        return self._parsed.get(feature, {})

    def _found(self, feature: str) -> dict[str, float]:
        key = json.dumps(feature) + ": {"
        at = self._raw.find(key)
        if at < 0:
            return {}
        start = at + len(key) - 1
        weights: dict[str, float] = json.loads(self._raw[start : self._raw.index("}", start) + 1])
        return weights


class Tagger:
    """The first step of NLTK's averaged perceptron, on its published weights.

    The perceptron tags from left to right and looks two words ahead, so the first tag needs three tokens.
    """

    def __init__(self, weights: Weights, known: dict[str, str], classes: list[str]) -> None:
        self.weights, self.known, self.classes = weights, known, classes

    def first_tag(self, tokens: list[str]) -> str:
        first = tokens[0]
        if first in self.known:
            return self.known[first]
        word, second, third, *_ = [_shape(token) for token in tokens[:3]] + ["-END-", "-END2-"]
        # The names of the features are those in the file of weights.
        features = (
            "bias",
            f"i suffix {first[-3:]}",
            f"i pref1 {first[:1]}",
            "i-1 tag -START-",
            "i-2 tag -START2-",
            "i tag+i-2 tag -START- -START2-",
            f"i word {word}",
            f"i-1 tag+i word -START- {word}",
            "i-1 word -START2-",
            "i-1 suffix T2-",
            "i-2 word -START-",
            f"i+1 word {second}",
            f"i+1 suffix {second[-3:]}",
            f"i+2 word {third}",
        )
        scores = dict.fromkeys(self.classes, 0.0)
        for feature in features:
            for tag, weight in self.weights.of(feature).items():
                scores[tag] += weight
        return max(scores, key=lambda tag: (scores[tag], tag))


def _shape(token: str) -> str:
    """A token as the tagger's context holds it."""
    if "-" in token and token[0] != "-":
        return "!HYPHEN"
    if token.isdigit():
        return "!YEAR" if len(token) == 4 else "!DIGITS"
    if token and token[0].isdigit():
        return "!DIGITS"
    return token.lower()


@lru_cache(maxsize=1)
def _tagger() -> Tagger | None:
    name = "averaged_perceptron_tagger_eng"
    folder = nltk_data(f"taggers/{name}")
    if folder is None:
        return None
    known, classes = (
        json.loads((folder / f"{name}.{part}.json").read_text(encoding="utf-8")) for part in ("tagdict", "classes")
    )
    return Tagger(Weights(folder / f"{name}.weights.json"), known, sorted(classes))


@lru_cache(maxsize=20_000)
def syllables(word: str) -> int:
    """Syllables of an English word; 0 for what holds a digit or is empty."""
    counted: int = _package("syllapy").count(word)
    return counted


def is_emoji(character: str) -> bool:
    """Whether a character by itself is an emoji."""
    found: bool = _package("emoji").is_emoji(character)
    return found


@lru_cache(maxsize=8)
def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise HindsightError(
            f'the package {name!r} is needed to check this constraint: pip install "hindsight-rl[constraints]"'
        ) from None
