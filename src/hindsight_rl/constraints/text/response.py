"""A response with its words, sentences, tokens and language, each computed once."""

from __future__ import annotations

from functools import cached_property

from hindsight_rl.constraints.text.language import language
from hindsight_rl.constraints.text.sentences import sentences
from hindsight_rl.constraints.text.tokens import capitals, tokens, tokens_in
from hindsight_rl.constraints.text.words import words

__all__ = ["Text", "as_text", "capitals", "language", "sentences", "tokens", "words"]


class Text:
    """A response and what is read off it, lazily; treat as immutable.

    raw: the response. lower: lower-cased. lines: split at "\\n". words: runs of ``\\w`` with their
    combining marks (IFEval's words), see :mod:`.words`.
    sentences: see :mod:`.sentences`. tokens: Penn Treebank tokens, see :mod:`.tokens`. language: ISO 639-1
    code, "" when undetermined, see :mod:`.language`.
    """

    def __init__(self, raw: str) -> None:
        self.raw = raw

    @cached_property
    def blank(self) -> bool:
        """Nothing but white space: no constraint holds of it."""
        return not self.raw.strip()

    @cached_property
    def lower(self) -> str:
        return self.raw.lower()

    @cached_property
    def lines(self) -> list[str]:
        return self.raw.split("\n")

    @cached_property
    def words(self) -> list[str]:
        return words(self.raw)

    @cached_property
    def sentences(self) -> list[str]:
        return sentences(self.raw)

    @cached_property
    def tokens(self) -> list[str]:
        return tokens_in(self.sentences)

    @cached_property
    def capitals(self) -> int:
        """How many tokens are all in capitals."""
        return capitals(self.raw)

    @cached_property
    def language(self) -> str:
        return language(self.raw)

    @property
    def loose(self) -> list[Text]:
        """The variants that the loose mode accepts, this one first."""
        return [self, *self.variants]

    @cached_property
    def variants(self) -> list[Text]:
        """The other variants that the loose mode accepts, blank ones and duplicates dropped.

        Without this text itself: a cycle of references would wait for the garbage collector.

        As IFEval defines them: without the first line, without the last, without both (each stripped), and
        all of these, and the response itself, without asterisks.
        """
        lines = self.lines
        cut = [self.raw]
        for part in (lines[1:], lines[:-1], lines[1:-1]):
            cut.append("\n".join(part).strip())
        variants = dict.fromkeys(cut)
        if "*" in self.raw:
            variants.update(dict.fromkeys(part.replace("*", "") for part in cut))
        return [Text(part) for part in variants if part != self.raw and part.strip()]


def as_text(response: str | Text) -> Text:
    """The response as a :class:`Text`; one that already is comes back itself."""
    return response if isinstance(response, Text) else Text(response)
