"""Which language a text is in: function words and scripts where they settle it, `langdetect` where not.

The published IFEval verdicts rest on langdetect, which samples. Here its seed is fixed (0) per text, so a
text has one answer, and it is asked only when the cheap evidence is thin: short texts, lists of names, mixed
texts. On running text both agree, and the cheap evidence takes microseconds instead of milliseconds.

Only the first 10,000 characters count, as in langdetect.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache, partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

_LIMIT = 10_000

# Frequent function words. Those that two languages of a script share count for neither, except for English.
_FUNCTION_WORDS = {
    "en": """the and of to is that with for was are this it you on be by have not from they his her which or
        your will can would their what were we when there has been an as at my she he i if but so about
        into our them than then these those who how its out up just like more do does don't it's i'm""",
    "de": """der die und das ist nicht ich zu den mit sich ein eine auf für auch dem des wir sie als es wie
        von einen einer wird sind war aber oder haben noch nach bei aus wenn nur kann durch unser unsere
        ihre""",
    "es": """el los las y en que una por con para es su del se lo como más pero sus este al esta son también
        fue hay muy cuando ha nos desde todo está ser sin sobre entre yo mi tu""",
    "fr": """le les et des est une dans que qui pour pas sur avec plus ce il du au vous nous sont mais par je
        ne cette ou aux être leur votre notre comme fait elle c'est""",
    "it": """il di che è la per un una non sono con del della i gli le si nel anche come più ma alla dei mi
        ha nella delle questo tuo tua suo se""",
    "pt": """o os e da do em um uma para com não que por mais as dos como se na no ao foi das seu sua é são
        você também pelo pela mas ele ela isso""",
    "fi": """ja on ei että se oli hän joka mutta ovat kun niin myös kuin sen tai jos ovat tämä voi hänen minä
        olen meidän siitä ole ne mitä""",
    "sw": """ya wa na kwa ni katika za la hii kuwa cha kama yake au hiyo sana lakini yangu wao huo pia vya
        hapa mimi wewe yako sisi ambayo hivyo kuna""",
    "pl": """w i na z się nie do jest to że jak o po dla ale przez oraz są od co być był tym które już za""",
    "nl": """de het een en van ik te dat die niet zijn je op aan met voor er maar om dan zou hebben""",
    "vi": """là của và có không được cho trong với những các một người này đó khi như để tôi bạn đã sẽ thì ở
        cũng nhưng từ về hơn rất phải nó lại mẹ con""",
    "ru": """и в не на что он с как это по но они мы все из у я за от так же для вы к о его при её или был
        была если быть который""",
    "uk": """і в не на що він з як це та до але вони ми все із у я за від так для ви його при її або був якщо
        бути який є""",
    "bg": """и в не на че той с като това по но те ние всички от да се за са съм вие при или беше ако е ще
        който си ви му""",
    "hi": """है हैं में के की का को से और पर यह हम आप नहीं भी एक ने था थी थे हो तो कि कर मैं इस लिए रहा गया
        अपने करने""",
    "mr": """आहे आणि आहेत च्या तो ती हे या मी आपल्या नाही होते होता होती तर एक पण आम्ही तुम्ही असे करा मला
        आपण त्या किंवा साठी काय""",
    "ne": """छ छन् र हो को मा लाई ले यो भएको पनि गर्न हुन्छ गर्ने तपाईं तपाईंको थियो हामी हाम्रो मेरो लागि
        गर्नुहोस् तर वा छैन भने गरेको""",
    "ar": """في من على إلى أن هذا التي مع هذه عن كان أو ما لا هو الذي هي ذلك كل قد إن لم كما بعد""",
    "fa": """در به از که این را با است برای آن یک می شما ما خود تا هم بر های یا ها شود اگر بود من کرد""",
    "ur": """کے میں کی ہے اور سے کو کا پر نے ہیں یہ کہ اس ایک بھی ہو نہیں آپ وہ تھا ہم کر لیے جو تو گیا""",
}
_SCRIPTS = {
    "devanagari": "\u0900-\u097f",
    "bengali": "\u0980-\u09ff",
    "gurmukhi": "\u0a00-\u0a7f",
    "gujarati": "\u0a80-\u0aff",
    "tamil": "\u0b80-\u0bff",
    "telugu": "\u0c00-\u0c7f",
    "kannada": "\u0c80-\u0cff",
    "malayalam": "\u0d00-\u0d7f",
    "thai": "\u0e00-\u0e7f",
    "hangul": "\uac00-\ud7a3",
    "han": "\u3040-\u30ff\u4e00-\u9fff",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff",
    "cyrillic": "\u0400-\u04ff",
    "latin": "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff",
}
_ONLY = {
    "bengali": "bn",
    "gurmukhi": "pa",
    "gujarati": "gu",
    "tamil": "ta",
    "telugu": "te",
    "kannada": "kn",
    "malayalam": "ml",
    "thai": "th",
    "hangul": "ko",
    "hebrew": "he",
}
_OF_SCRIPT = {
    "latin": ("en", "de", "es", "fr", "it", "pt", "fi", "sw", "pl", "nl", "vi"),
    "cyrillic": ("ru", "uk", "bg"),
    "devanagari": ("hi", "mr", "ne"),
    "arabic": ("ar", "fa", "ur"),
}
# For each script, whose a word is.
_OWNERS = {
    script: {
        word: code
        for code in codes
        for word in frozenset(_FUNCTION_WORDS[code].split()).difference(
            *(_FUNCTION_WORDS[other].split() for other in codes if code not in (other, "en"))
        )
    }
    for script, codes in _OF_SCRIPT.items()
}
_SCRIPT_RUNS = {name: re.compile(f"[{span}]+") for name, span in _SCRIPTS.items()}
_WORD = re.compile(r"[^\W\d_]+")
_UNLISTED = re.compile(f"[^\\x00-\\u00bf\u00d7\u00f7\u2000-\u206f{''.join(_SCRIPTS.values())}]")
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
_EDGES = ".,;:!?\"'()[]{}<>*_#-–—…“”‘’«»।،؟|/`~0123456789"


@lru_cache(maxsize=4096)
def language(raw: str) -> str:
    """ISO 639-1 code of a text ("zh-cn" and "zh-tw" for Chinese); "" when it has nothing to go by.

    Needs the package `langdetect` for texts that function words and scripts leave open.
    """
    sample = raw[:_LIMIT]
    script = _script(sample)
    return _evident(sample, script) or _sampled(sample, script)


def evident_language(raw: str, least: int = 40) -> str:
    """As :func:`language`, "" also where it is a guess: fewer than `least` letters, or too few function words.

    In scripts of their own (not Latin) half as many letters will do, and a guess between the languages of the script.
    """
    sample = raw[:_LIMIT]
    script = _script(sample)
    letters = sum(map(str.isalpha, sample))
    if script == "latin":
        return _evident(sample, script) if letters >= least else ""
    return language(raw) if 2 * letters >= least else ""


def _evident(sample: str, script: str) -> str:
    """The language when script or function words leave no doubt, else ""."""
    if script in _ONLY:
        return _ONLY[script]
    if script not in _OF_SCRIPT:
        return ""
    if script == "latin":
        words = _WORD.findall(sample.lower())
    else:  # vowel signs are no word characters to `re`
        words = [word.strip(_EDGES) for word in sample.split()]
    owned = Counter(filter(None, map(_OWNERS[script].get, words)))
    (code, best), (_, second) = [*owned.most_common(2), ("", 0), ("", 0)][:2]
    # English fills texts with function words; languages with clitics and case endings need fewer.
    share = 0.2 if code == "en" else 0.1
    # langdetect reads little but initials off capitals, so that it takes more of them to be sure.
    least = 15 if sample.isupper() else 5
    return code if best >= least and best >= share * len(words) and best >= 4 * second else ""


def _script(sample: str) -> str:
    """The script of nearly all letters; several, separated by spaces; "" for scripts not listed."""
    if sample.isascii():
        return "latin"
    letters = "".join(set(sample))  # most scripts have none here, and need not be sought in the whole
    counts = {
        name: sum(map(len, runs.findall(sample))) if runs.search(letters) else 0 for name, runs in _SCRIPT_RUNS.items()
    }
    if _UNLISTED.search(letters) and 10 * len(_UNLISTED.findall(sample)) > sum(counts.values()):
        return ""
    latin = counts["latin"]
    top = max(counts.values())
    # langdetect drops Latin letters where they are under a third.
    dropped = latin * 3 < sum(counts.values()) - latin
    return " ".join(name for name, count in counts.items() if 10 * count > top and not (dropped and name == "latin"))


def _sampled(sample: str, script: str) -> str:
    """langdetect's answer under seed 0, "" when it finds no features."""
    profiles = _profiles(script)
    if "@" in sample or "://" in sample or _FOLDED.search(sample):
        return _settle(tuple(_grams_by_langdetect(sample, profiles)), profiles)
    plain = sample.translate(_NORMAL)
    # Latin letters, as langdetect counts them, go where there are more than twice as many others.
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
    everything; the shares are averaged over the trials. Five draws pass between looks, and are multiplied at
    once. Trials that cannot change which language leads are left out, unless the whole is asked for: four
    that agree settle seven.
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
                # Below this a language does not come back: go on with the others alone.
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
_IN_SCRIPT = _ONLY | {
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
