"""Scripts of a text, and the function words of languages: evidence of a language that is read off in microseconds."""

from __future__ import annotations

import re
from collections import Counter

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
OWN_SCRIPT = {
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
_EDGES = ".,;:!?\"'()[]{}<>*_#-–—…“”‘’«»।،؟|/`~0123456789"


def certain(sample: str, script: str) -> str:
    """The language when script or function words leave no doubt, else ""."""
    if script in OWN_SCRIPT:
        return OWN_SCRIPT[script]
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


def script_of(sample: str) -> str:
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
