"""IFEval's ``language:response_language``."""

from __future__ import annotations

from typing import Any

from hindsight_rl.constraints.core import Checker, Param, register
from hindsight_rl.constraints.ifeval.conflicts import CONFLICTS
from hindsight_rl.constraints.text.language import evident_language
from hindsight_rl.constraints.text.response import Text, as_text

LANGUAGES = {
    "en": "English",
    "es": "Spanish",
    "pt": "Portuguese",
    "ar": "Arabic",
    "hi": "Hindi",
    "fr": "French",
    "ru": "Russian",
    "de": "German",
    "ja": "Japanese",
    "it": "Italian",
    "bn": "Bengali",
    "uk": "Ukrainian",
    "th": "Thai",
    "ur": "Urdu",
    "ta": "Tamil",
    "te": "Telugu",
    "bg": "Bulgarian",
    "ko": "Korean",
    "pl": "Polish",
    "he": "Hebrew",
    "fa": "Persian",
    "vi": "Vietnamese",
    "ne": "Nepali",
    "sw": "Swahili",
    "kn": "Kannada",
    "mr": "Marathi",
    "gu": "Gujarati",
    "pa": "Punjabi",
    "ml": "Malayalam",
    "fi": "Finnish",
    "zh": "Chinese",
}


@register("language:response_language", conflicts=CONFLICTS["language:response_language"])
class ResponseLanguage(Checker):
    """The language of the response; one without any letters passes, as in the public evaluator."""

    params = (Param("language", str, choices=tuple(LANGUAGES)),)

    def describe(self) -> str:
        name = LANGUAGES[self.values["language"]]
        return f"Your ENTIRE response should be in {name} language, no other language is allowed."

    def follows(self, text: Text) -> bool:
        found = text.language
        return not found or found.partition("-")[0] == self.values["language"]

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        found = evident_language(as_text(response).raw).partition("-")[0]
        return {"language": found} if found in LANGUAGES else None

    def vacuous(self, response: str | Text) -> bool:
        return not as_text(response).language


@register("language:response_language", version="hir", conflicts=CONFLICTS["language:response_language"])
class ResponseLanguageHir(ResponseLanguage):
    """As :class:`ResponseLanguage`; Chinese in traditional characters is not Chinese here."""

    def follows(self, text: Text) -> bool:
        found = text.language
        return not found or ("zh" if found == "zh-cn" else found) == self.values["language"]
