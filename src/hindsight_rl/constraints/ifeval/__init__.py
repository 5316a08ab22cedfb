"""The 25 constraints of IFEval (Zhou et al. 2023, arXiv 2311.07911), under their public ids and kwargs.

Verdicts follow the public evaluator, quirks included, with these differences, all of them deliberate:

* Keywords, section markers and postscript markers are literal text, never regular expressions.
* A word that must stand by itself needs a border only beside a letter or digit: "C++" and "Ph.D." are found.
* Combining marks belong to their letter: a word of Hindi is one word.
* ``keywords:letter_frequency`` counts the symbol that is given. The first release of the evaluator counted
  a random letter for symbols outside a-z ("#" and "!", keys 1122 and 1129).
* ``language:response_language`` and the two case constraints ask :mod:`hindsight_rl.constraints.text.language`,
  which gives a text one answer.
* JSON nested too deeply for the parser is not JSON.

``version="hir"`` is the evaluator as released with HiR: Chinese means zh-cn only, and
``detectable_format:constrained_response`` also accepts five Chinese answers.
"""

from hindsight_rl.constraints.ifeval import case, combination, content, ends, format, keywords, language, length
from hindsight_rl.constraints.ifeval.conflicts import CONFLICTS, IDS

__all__ = [
    "CONFLICTS",
    "IDS",
    "case",
    "combination",
    "content",
    "ends",
    "format",
    "keywords",
    "language",
    "length",
]
