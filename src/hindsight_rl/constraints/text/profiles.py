"""langdetect's profiles and its procedure (Shuyo 2010), with a fixed seed: an answer where the evidence is thin.

The package `langdetect` brings the profiles: what its corpus of each language holds of each n-gram.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from functools import cache, lru_cache, partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from hindsight_rl.constraints.text.scripts import OWN_SCRIPT

# How langdetect reads characters: what is no letter as a space, some letters as others. Han, kana, Hangul and
# combining accents, which it folds in larger ways, are left to it.
_NORMAL: dict[int, str] = {
    **dict.fromkeys((*range(0x41), *range(0x5B, 0x61), *range(0x7B, 0x80)), " "),
    **dict.fromkeys((0xA0, 0xAB, 0xB0, 0xBB, *range(0x2000, 0x2070)), " "),
    **dict.fromkeys(range(0x1EA0, 0x1F00), "\u1ec3"),
    0x219: "\u015f",
    0x21B: "\u0163",
    0x6CC: "\u064a",
}
_FOLDED = re.compile("[\u0300-\u036f\u3040-\u312f\u31a0-\u31bf\u4e00-\u9fff\uac00-\ud7af]")
_A_TO_Z = re.compile(r"[A-z]+")
_OTHERS = re.compile("[^\\x00-\u02ff\u1e00-\u1eff]")


def sampled(sample: str, script: str) -> str:
    """langdetect's answer under seed 0, "" when it finds no features."""
    profiles = _profiles(script)
    if "@" in sample or "://" in sample or _FOLDED.search(sample):
        return _settle(tuple(_grams_by_langdetect(sample, profiles)), profiles)
    plain = sample.translate(_NORMAL)
    # Latin letters, as langdetect counts them, are removed if there are more than twice as many others.
    if 2 * sum(map(len, _A_TO_Z.findall(sample))) < len(_OTHERS.findall(plain)):
        plain = _A_TO_Z.sub("", plain)
    # Variants of one response often differ only in what is no letter, and then have the same n-grams.
    return _settle_words(tuple(plain.split(" ")), profiles)


@lru_cache(maxsize=1024)
def _settle_words(words: tuple[str, ...], profiles: _Profiles) -> str:
    last = len(words) - 1
    grams = [gram for at, word in enumerate(words) if word for gram in _grams(word, at < last)]
    return _settle(tuple(grams), profiles)


@lru_cache(maxsize=10_000)
def _grams(word: str, closed: bool) -> list[str]:
    """The 1- to 3-grams that langdetect reads off a word. closed: a space follows it.

    Letters inside a word in capitals are left out.
    """
    padded = f" {word} " if closed else f" {word}"
    grams = []
    shouted = False
    for at in range(1, len(padded)):
        letter = padded[at]
        if letter.isupper():
            shouted = shouted or padded[at - 1].isupper()
        else:
            shouted = False
        if shouted:
            continue
        if letter != " ":
            grams.append(letter)
        grams.append(padded[at - 1 : at + 1])
        if at > 1:
            grams.append(padded[at - 2 : at + 1])
    return grams


def _grams_by_langdetect(sample: str, profiles: _Profiles) -> list[str]:
    from langdetect.detector import Detector

    detector = Detector(profiles)
    detector.append(sample)
    detector.cleaning_text()
    grams: list[str] = detector._extract_ngrams()
    return grams


@lru_cache(maxsize=1024)
def _settle(grams: tuple[str, ...], profiles: _Profiles) -> str:
    rows = profiles.word_lang_prob_map
    known = list(filter(rows.found(grams).__contains__, grams))
    if not known:
        return ""
    shares = _posterior(known, rows)
    best, code = max(zip(shares, profiles.langlist, strict=True))
    return code if best > 0.1 else "unknown"


def _posterior(
    grams: list[str], rows: dict[str, list[float]], trials: int = 7, longest: int = 1000, whole: bool = False
) -> list[float]:
    """Shares of the languages by langdetect's procedure (Shuyo 2010), drawing what its seed 0 draws.

    grams: the text's n-grams. rows: the probability of an n-gram in each language. A trial multiplies the
    probabilities of n-grams drawn at random, smoothed by a random amount, until one language has nearly
    everything; the shares are averaged over the trials. The result is tested after every five draws. Trials that can no
    longer change the leading language are skipped unless `whole` is set: four equal trials decide seven.
    """
    rng = random.Random(0)
    # As Random.choice draws, which itself costs as much as the arithmetic.
    places = filter(len(grams).__gt__, iter(partial(rng.getrandbits, len(grams).bit_length()), -1))
    drawn_grams = map(grams.__getitem__, places)
    count = len(rows[grams[0]])
    total = [0.0] * count
    narrowed: dict[tuple[int, ...], _Narrowed] = {}
    for trial in range(trials):
        floor = (0.5 + rng.gauss(0.0, 1.0) * 0.05) / 10_000
        shares = [1.0 / count * (floor + q) for q in rows[next(drawn_grams)]]
        alive = tuple(range(count))
        live: dict[str, list[float]] = rows
        drawn = 0
        while True:
            all_ = sum(shares)
            shares = [p / all_ for p in shares]
            if max(shares) > 0.99999 or drawn >= longest:
                break
            if drawn in (20, 40, 80, 160, 320):
                # Below this a language cannot recover: continue with the others.
                kept = [at for at, p in enumerate(shares) if p > 1e-15]
                if len(kept) < len(alive):
                    alive, shares = tuple([alive[at] for at in kept]), [shares[at] for at in kept]
                    live = narrowed.setdefault(alive, _Narrowed(rows, alive))
            drawn += 5
            five = [live[gram] for gram in islice(drawn_grams, 5)]
            shares = [
                p * (floor + a) * (floor + b) * (floor + c) * (floor + d) * (floor + e)
                for p, a, b, c, d, e in zip(shares, *five, strict=True)
            ]
        for at, p in zip(alive, shares, strict=True):
            total[at] += p / trials
        if not whole and trial < trials - 1:
            second, best = sorted([0.0, *total])[-2:]
            # What is left goes to one other language at most; the rest is for the rounding of the sums.
            if best - second > (trials - 1 - trial) / trials + 1e-9:
                break
    return total


class _Narrowed(dict[str, list[float]]):
    """Rows with only some of their columns, narrowed when they are drawn."""

    def __init__(self, rows: dict[str, list[float]], columns: tuple[int, ...]) -> None:
        super().__init__()
        self._rows, self._columns = rows, columns

    def __missing__(self, gram: str) -> list[float]:
        row = self._rows[gram]
        narrow = self[gram] = [row[at] for at in self._columns]
        return narrow


class _Profiles:
    """langdetect's profiles, in the form that its Detector reads, with the n-gram table filled on demand.

    langdetect itself builds the table of all n-grams first, which costs more than a whole benchmark.
    """

    seed = 0

    def __init__(self, files: list[Path]) -> None:
        profiles = [_profile(path) for path in files]
        self.langlist = [profile.name for profile in profiles]
        self.word_lang_prob_map = _Table(profiles)


class _Table(dict[str, list[float]]):
    """n-gram -> its probability in each language: the dict of all n-grams, as far as langdetect can tell.

    Long texts hold many n-grams that are never drawn: those are looked for, and get no row.
    """

    def __init__(self, profiles: list[_Profile]) -> None:
        super().__init__()
        self._found: set[str] = set()  # only what the profiles hold, so that it cannot outgrow them
        self._gets = [profile.counts.get for profile in profiles]
        self._totals = [[profile.totals[place] for profile in profiles] for place in range(3)]

    def __contains__(self, gram: object) -> bool:
        return gram in self.found((str(gram),))

    def found(self, grams: Iterable[str]) -> set[str]:
        """A set that holds those of the n-grams that some language has, and none that no language has."""
        for gram in set(grams) - self._found:
            for get in self._gets:
                if get(gram):
                    self._found.add(gram)
                    break
        return self._found

    def __missing__(self, gram: str) -> list[float]:
        row = self[gram] = [
            n / all_ if (n := get(gram)) else 0.0
            for get, all_ in zip(self._gets, self._totals[len(gram) - 1], strict=True)
        ]
        return row


# Languages that langdetect knows in each script. Profiles of other scripts hold so few of a script's letters
# that they keep no share of its texts, and need not be read for them.
_IN_SCRIPT = OWN_SCRIPT | {
    "cyrillic": "bg mk ru uk",
    "devanagari": "hi mr ne",
    "arabic": "ar fa ur",
    "han": "ja ko zh-cn zh-tw",
    "latin": "af ca cs cy da de en es et fi fr hr hu id it lt lv nl no pl pt ro sk sl so sq sv sw tl tr vi",
}


class _Profile(NamedTuple):
    """One language's n-grams. totals: how many of 1, 2 and 3 letters its corpus held."""

    name: str
    counts: dict[str, int]
    totals: list[int]


@cache
def _profile(path: Path) -> _Profile:
    """One language's profile; the sets of several scripts share it."""
    profile: dict[str, Any] = json.loads(path.read_bytes())
    return _Profile(profile["name"], profile["freq"], profile["n_words"])


@cache
def _profiles(script: str) -> _Profiles:
    """The profiles of the languages of one or more scripts, or all of them."""
    package = find_spec("langdetect")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'langdetect'", name="langdetect")
    folder = Path(package.submodule_search_locations[0]) / "profiles"
    names = [code for name in script.split() for code in _IN_SCRIPT[name].split()]
    return _Profiles([folder / name for name in names] if names else sorted(folder.glob("[a-z]*")))
