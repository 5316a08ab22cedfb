"""Writes candidates for a draft: words with a given place, pieces that must occur, and fillers."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from math import inf
from random import Random

from hindsight_rl.constraints.text.readings import bare
from hindsight_rl.constraints.text.tokens import tokens
from hindsight_rl.data.compose.draft import Bounds, Draft, Infeasible, Retry
from hindsight_rl.data.compose.pieces import Piece, Sentence, all_pieces, break_paragraphs, rendered
from hindsight_rl.data.compose.stock import Stock
from hindsight_rl.data.compose.words import PALINDROMES

_WORD = re.compile(r"\w+")
_LOWER = re.compile("[a-z]+")
_BLANK = re.compile("_")
_FIRST_NUMBER = 17
_LATIN = re.compile("[A-Za-z]")
# Function words that show that a text is English, or another language.
_EVIDENCE = {"upper": 24, "lower": 12, "": 12}


class Writer:
    """Writes candidates for a draft; each is another. Raises :class:`Infeasible` and :class:`Retry`."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.stock = Stock(draft) if draft.whole is None and not draft.json else None

    def write(self, rng: Random) -> str:
        """One candidate."""
        draft = self.draft
        if draft.whole is not None:
            return draft.whole
        if draft.json:
            return json.dumps({"answer": " ".join(draft.keyword) or "fine"})
        text = self._body(rng)
        if draft.twice:
            text = f"{text}\n******\n{self._body(rng)}"
        return f"{draft.repeated} {text}" if draft.repeated else text

    def _body(self, rng: Random) -> str:
        assert self.stock is not None
        self.rng = rng
        self.word = self.stock.word
        self.stock.shuffle(rng, self._fixed_words())
        sentences = self._skeleton(self._count())
        self._fill(sentences, self._extras())
        if self.draft.differ:
            self._part(sentences)
        break_paragraphs(self.draft, sentences, rng)
        return rendered(self.draft, sentences)

    def _part(self, sentences: list[Sentence]) -> None:
        """Other fillers where two neighbours have the same initial."""
        runs = [(bare(piece.text).lower().split(), piece) for piece in all_pieces(sentences)]
        runs = [(words, piece) for words, piece in runs if words]
        for at, (_, piece) in enumerate(runs):
            around = {runs[at - 1][0][-1][0]} if at else set()
            if at + 1 < len(runs):
                around.add(runs[at + 1][0][0][0])
            for _ in range(20):
                if not piece.plain or piece.text[0] not in around:
                    break
                piece.text = self.word()
            runs[at] = (bare(piece.text).lower().split(), piece)

    def _lows(self) -> dict[str, Bounds]:
        return {letter: bounds for letter, bounds in self.draft.letter.items() if bounds.low > 0}

    def _fixed_words(self) -> list[str]:
        """Words that stand in every candidate."""
        draft = self.draft
        phrases = [draft.end, draft.postscript, *draft.block_first.values(), *draft.places.values()]
        phrases += [asked[0] for asked in (draft.phrase, draft.section) if asked]
        phrases += [draft.first, draft.last, draft.first_each, draft.last_each]
        phrases += [word for word, bounds in draft.keyword.items() if bounds.low]
        phrases += [" ".join(_LOWER.findall(pattern.text.lower())) for pattern in draft.patterns]
        return [run for phrase in phrases for run in phrase.lower().split()]

    def _marks(self) -> list[str]:
        draft = self.draft
        return [mark for mark, no in ((".", draft.no_dot), ("!", draft.no_shout), ("?", False)) if not no]

    def _count(self) -> int:
        """How many sentences."""
        draft = self.draft
        low = max([1, int(draft.sentences.low), *(n for n, _ in draft.places)])
        high = draft.sentences.high
        if draft.hyphens:
            low, high = max(low, 2), inf  # one by one count, several by the other
        if draft.first_each or draft.last_each:
            low = max(low, 2)
        if draft.bulleted_end:
            low = max(low, 4)
        for word in {draft.first_each, draft.last_each} - {""}:
            high = min(high, draft.counted(word).high)
        if draft.unique:
            high = min(high, len(self._marks()) + (not draft.end))
        if draft.words.high < inf:
            high = min(high, max(1, draft.words.high // 2))
        least = low
        if draft.endings:
            least = len(draft.endings) * max(1, -(-low // len(draft.endings)))
            least += self._loose_end()
        if least > high:
            raise Infeasible(f"at least {least:g} but at most {high:g} sentences")
        if draft.endings:
            return least
        natural = max(low, draft.words.low // 12, draft.starred.low, draft.blocks.low)
        wanted = self.rng.choice((low, natural)) + self.rng.choice((0, 0, 1, 2))
        return int(min(high, wanted))

    def _loose_end(self) -> bool:
        """Whether the last sentence's mark is given, or is none."""
        draft = self.draft
        return bool(draft.end) or draft.framed or draft.quoted

    def _skeleton(self, count: int) -> list[Sentence]:
        """Sentences with the words whose place is given."""
        draft = self.draft
        sentences = [Sentence(mark=mark) for mark in self._ends(count)]
        first, last = sentences[0], sentences[-1]
        opening = draft.first
        if (draft.framed or draft.ringed) and not opening:
            opening = _WORD.findall(draft.end.lower())[-1] if draft.end else (draft.last or self.word())
        for at, sentence in enumerate(sentences):
            starts = draft.first_each or (opening if draft.ringed or at == 0 else "")
            if starts:
                sentence.prefix.append(Piece(starts))
            if ends := draft.last_each or (opening if draft.ringed else ""):
                sentence.suffix.append(Piece(ends))
        if draft.end:
            body = draft.end.rstrip(".!?")
            last.suffix, last.mark = [Piece(body)], draft.end[len(body) :]
        elif draft.framed or draft.last:
            last.suffix = [Piece(opening if draft.framed else draft.last)]
        if draft.chained:
            self._chain(sentences)
        wrapped = draft.bracketed or draft.bigrams
        if not draft.end and (draft.framed or (wrapped and draft.last_each) or (draft.hyphens and draft.quoted)):
            last.mark = ""  # a mark there would be read as the last word, or as a sentence
        if draft.second:
            self._put(first, 1, draft.second)
            last.suffix = [Piece(draft.second), *(last.suffix or [Piece(self.word())])]
        for (n, m), word in sorted(draft.places.items()):
            self._put(sentences[n - 1], self._before(n, m), word, (n, m) in draft.exact)
        for n, word in draft.within.items():
            sentences[n - 1].free.append(Piece(word))
        if draft.emoji:
            for sentence in sentences:
                sentence.suffix.append(Piece("\U0001f327"))
        return sentences

    def _chain(self, sentences: list[Sentence]) -> None:
        """Each sentence's last word begins the next one."""
        for before, after in pairwise(sentences):
            word = self.word()
            if before.suffix:
                word = before.suffix[-1].text
            elif after.prefix:
                word = after.prefix[0].text
            before.suffix = before.suffix or [Piece(word)]
            after.prefix = after.prefix or [Piece(word)]

    def _ends(self, count: int) -> list[str]:
        """The marks that end the sentences."""
        draft, marks, rng = self.draft, self._marks(), self.rng
        if draft.endings:
            given = [mark for mark in draft.endings for _ in range(count // len(draft.endings))]
            rng.shuffle(given)
            return [*given, *[""] * (count - len(given))]
        if not draft.unique:
            return [marks[0] if rng.random() < 0.8 else rng.choice(marks) for _ in range(count)]
        if draft.end:
            marks = [mark for mark in marks if mark not in draft.end]
        if count > len(marks) + 1:
            raise Retry("too few marks")
        return [*rng.sample(marks, len(marks)), ""][:count]

    def _before(self, n: int, m: int) -> int:
        """How many words stand before the m-th token of the n-th sentence."""
        draft = self.draft
        if draft.composition and n > 1 and (n - 1) % draft.composition[0] == 0:
            raise Infeasible("a paragraph's first sentence has its divider before it")
        if draft.quoted and n == 1:
            if m == 1:
                raise Infeasible("a quotation mark stands at that place")
            return m - 2
        return m - 1

    def _put(self, sentence: Sentence, before: int, word: str, exact: bool = False) -> None:
        held = len(sentence.prefix)
        if held > before:
            if sentence.prefix[before].text != word:
                raise Infeasible("another word stands at that place")
            sentence.prefix[before].keep = exact
            return
        sentence.prefix += [Piece(self.word()) for _ in range(before - held)]
        sentence.prefix.append(Piece(word, keep=exact))

    def _extras(self) -> list[Piece]:
        """Pieces that must occur somewhere."""
        draft, word = self.draft, self.word
        line = " " if draft.hyphens or draft.one_line else "\n"
        keep = not draft.case
        extras: list[Piece] = []
        if draft.phrase:
            extras += [Piece(self._changed(draft.phrase[0]), keep=keep) for _ in range(draft.phrase[1])]
        if draft.palindrome and not draft.bigrams:  # there the last word alone can be one
            assert self.stock is not None
            fit = [one for one in PALINDROMES if self.stock.allows(one)]
            if not fit:
                raise Retry("no palindrome is left")
            one = self.rng.choice(fit)
            extras.append(Piece(one.upper() if draft.lowercase.high < inf else one, keep=True))
        for text, opens, kept in draft.patterns:
            if draft.bigrams and text == "<<_>>":
                continue
            if text == "*_*" and draft.bullets.low:
                text = "_ *_*"  # an asterisk first could be a bullet
            said = _BLANK.sub(lambda _: word(), text)
            extras.append(Piece(said, line if opens else " ", kept))
        sections = draft.section[1] if draft.section else 0
        loud = int(draft.capitals.low) - (sections if draft.section and draft.section[0].isupper() else 0)
        extras += [Piece(word().upper(), keep=True) for _ in range(loud)]
        extras += [Piece(said, before=line) for said in self._bullets()]
        numbers = int(draft.numbers.low) - sections if draft.numbers.high < inf else 0
        extras += [Piece(str(_FIRST_NUMBER + 12 * at)) for at in range(numbers)]
        if draft.section:
            joint = "" if draft.unique else " "
            extras += [Piece(f"{draft.section[0]}{joint}{at + 1}", before=line, keep=keep) for at in range(sections)]
        if draft.postscript:
            marker = draft.postscript.lower() if draft.capitals.high < inf else draft.postscript
            extras.append(Piece(f"{marker} {word()}", before=line, keep=keep and draft.lowercase.high == inf))
        return extras

    def _bullets(self) -> list[str]:
        """Bullets, with their sub-bullets, which count too."""
        draft, word = self.draft, self.word
        count = int(draft.bullets.low)
        dash = "-" if draft.unique else "- "
        if draft.sub_bullets:
            under = "".join(f"\n{dash}{word()}" for _ in range(max(1, count - 1)))
            return [f"* {word()}{under}", *([] if count or draft.unique else [f"* {word()}\n- {word()}"])]
        return [(dash if draft.unique else "* ") + word() for _ in range(count)]

    def _changed(self, phrase: str) -> str:
        """The phrase with one of its inner words replaced."""
        runs = phrase.split()
        at = self.rng.randrange(1, len(runs) - 1)
        new = self.word()
        if new in runs:
            raise Retry("the phrase is not changed")
        return " ".join([*runs[:at], new, *runs[at + 1 :]])

    def _fill(self, sentences: list[Sentence], extras: list[Piece]) -> None:
        """Missing keywords, and fillers up to the required number, all spread over the sentences."""
        draft = self.draft
        given = [piece.text for piece in [*all_pieces(sentences), *extras]]
        fixed = " ".join([*given, *(word for at, word in draft.block_first.items() if at > 1)]).lower()
        for word, bounds in draft.keyword.items():
            have = fixed.count(word)
            if have > bounds.high:
                raise Retry(f'too many "{word}"')
            more = int(bounds.low) - have
            extras += [Piece(word) for _ in range(more)]
            fixed = " ".join([fixed, *[word] * more])
        room = draft.words.high - len(_WORD.findall(fixed))
        if room < 0:
            raise Retry("too many words")
        fillers: list[str] = []
        for letter, bounds in self._lows().items():
            missing = int(bounds.low) - sum(text.count(letter) for text in (fixed, *fillers))
            while missing > 0:
                fillers.append(self.word(f"!{letter}" if room - len(fillers) < missing else letter))
                missing -= fillers[-1].count(letter)
        if draft.composition or draft.growth:
            self._compose(sentences, extras, fillers)
            return
        least = max(len(sentences), draft.starred.low + draft.blocks.low - 1)
        wanted = max(least, draft.words.low - len(_WORD.findall(fixed)))
        if draft.letters.high == inf and draft.lowercase.high == inf:
            wanted += self.rng.randrange(2 * len(sentences) + 3)
        if draft.case or draft.language:
            wanted = max(wanted, _EVIDENCE[draft.case], 1.5 * len(fillers) + 0.5 * len(_WORD.findall(fixed)))
        wanted = min(wanted, room)
        letters = len(_LATIN.findall(" ".join([fixed, *fillers])))
        while len(fillers) < wanted or letters < draft.letters.low:
            long = draft.words.high < inf and draft.letters.low - letters > 3.5 * (wanted - len(fillers))
            short = draft.letters.high < inf and not draft.case
            fillers.append(self.word("long" if long else "short" if short else ""))
            letters += len(_LATIN.findall(fillers[-1]))
        if len(fillers) > room or letters > draft.letters.high:
            raise Retry("too many words")
        self._spread(sentences, extras, [Piece(word, plain=True) for word in fillers])

    def _spread(self, sentences: list[Sentence], extras: list[Piece], fillers: list[Piece]) -> None:
        rng = self.rng
        for at, piece in enumerate(fillers):  # no sentence without a word of its own
            sentence = sentences[at] if at < len(sentences) else sentences[int(rng.random() * len(sentences))]
            sentence.free.append(piece)
        rng.shuffle(extras)
        for piece in extras:
            place = rng.choice(sentences).free
            place.insert(rng.randint(0, len(place)), piece)

    def _compose(self, sentences: list[Sentence], extras: list[Piece], fillers: list[str]) -> None:
        """Every sentence with the same number of tokens, or a fixed number of words more than the one before."""
        draft = self.draft
        if draft.composition:
            quotes = [sentences[0], sentences[-1]] if draft.quoted else []
            left = [draft.composition[1] - quotes.count(sentence) - sentence.tokens for sentence in sentences]
            cost = _tokens
        else:
            cost = _bare_words
            held = [sum(cost(piece.text) for piece in sentence.pieces) for sentence in sentences]
            size = max(3, *(have - at * draft.growth for at, have in enumerate(held)))
            size += self.rng.randrange(4) + (sum(map(_tokens, fillers)) + len(extras)) // len(sentences)
            left = [size + at * draft.growth - have for at, have in enumerate(held)]
        if draft.composition and sum(cost(piece.text) for piece in extras) > sum(left):
            raise Infeasible("more has to occur than so many short sentences hold")
        pieces = [*extras, *(Piece(word, plain=True) for word in fillers)]
        self.rng.shuffle(pieces)
        for paid, piece in sorted(((cost(piece.text), piece) for piece in pieces), key=lambda each: -each[0]):
            fit = [at for at, room in enumerate(left) if room >= paid]
            if not fit:
                raise Retry("too many words")
            at = self.rng.choice(fit)
            left[at] -= paid
            sentences[at].free.append(piece)
        if min(left) < 0:
            raise Retry("too many words")
        kind = ""
        if draft.composition:
            short = draft.letters.high < 4.5 * draft.words.high
            kind = "long" if draft.letters.low > 3.5 * draft.words.high else "short" if short else ""
        for sentence, room in zip(sentences, left, strict=True):
            sentence.free += [Piece(self.word(kind), plain=True) for _ in range(room)]
            self.rng.shuffle(sentence.free)


def _tokens(text: str) -> int:
    return len(tokens(text))


def _bare_words(text: str) -> int:
    return len(bare(text).split())
