"""The words for each constraint: a table of templates, see :mod:`.wordings` for how they are filled in.

A response that does what a wording says passes the checker. A public description that says something else (without the
relation, or with an index that the checker does not count) is not used: :data:`INEXACT`.
"""

from __future__ import annotations

Templates = tuple[str, ...]

# The public description differs from what is checked.
INEXACT = frozenset(
    {
        "keywords:word_count_different_numbers",  # leaves the relation out
        "keywords:word_once",  # does not say "once"
        "keywords:exclude_word_harder",  # the checker wants a space on both sides
        "count:lowercase_counting",  # "all lowercase words should appear at most"
        "count:counting_composition",  # the divider is ***, and marks count
        "new:copy_span_idx",  # "and including"
        "detectable_format:multiple_sections",  # at least, not exactly
        "count:count_unique",  # marks count too
        "keywords:keyword_specific_position",  # marks count too
        "keywords:palindrome",  # as written, a word between spaces
    }
)


def _related(at_least: Templates, less_than: Templates) -> dict[str, Templates]:
    return {"at least": at_least, "less than": less_than}


# id -> templates, or for constraints with a relation: relation -> templates
WORDINGS: dict[str, Templates | dict[str, Templates]] = {
    # IFEval
    "keywords:existence": (
        "Use {keywords:quoted} somewhere in your answer.",
        "Your answer has to contain {keywords:quoted}.",
        "Make sure that {keywords:quoted} can be found in the text.",
    ),
    "keywords:frequency": _related(
        (
            "Use {keyword:quoted} at least {frequency:time|times}.",
            "{keyword:quoted} should occur {frequency:time|times} or more.",
            "Mention {keyword:quoted} no fewer than {frequency:time|times}.",
        ),
        (
            "Use {keyword:quoted} fewer than {frequency:time|times}.",
            "{keyword:quoted} may occur at most {less:time|times}.",
            "Do not use {keyword:quoted} more than {less:time|times}.",
        ),
    ),
    "keywords:forbidden_words": (
        "Do not use {forbidden_words:any} anywhere.",
        "Write your answer without {forbidden_words:any}.",
        "Avoid {forbidden_words:quoted} altogether.",
        "Nowhere in the answer may {forbidden_words:any} appear.",
    ),
    "keywords:letter_frequency": _related(
        (
            'Use the letter "{letter}" at least {let_frequency:time|times}, upper or lower case.',
            'The letter "{letter}" has to occur {let_frequency:time|times} or more.',
            'Let your answer contain the letter "{letter}" no fewer than {let_frequency:time|times}.',
        ),
        (
            'Use the letter "{letter}" fewer than {let_frequency:time|times}, upper or lower case.',
            'The letter "{letter}" may occur at most {less:time|times}.',
            'Keep the letter "{letter}" below {let_frequency:occurrence|occurrences}.',
        ),
    ),
    "language:response_language": (
        "Answer in {language:language} only.",
        "Write the whole response in {language:language} and in no other language.",
        "Reply entirely in {language:language}.",
    ),
    "length_constraints:number_sentences": _related(
        (
            "Write at least {num_sentences:sentence|sentences}.",
            "Your answer needs {num_sentences:sentence|sentences} or more.",
            "Use no fewer than {num_sentences:sentence|sentences}.",
        ),
        (
            "Write fewer than {num_sentences:sentence|sentences}.",
            "Use at most {less:sentence|sentences}.",
            "Keep it to {less:sentence|sentences} or fewer.",
        ),
    ),
    "length_constraints:number_paragraphs": (
        "Write exactly {num_paragraphs:paragraph|paragraphs} and put the divider *** between paragraphs.",
        "Split your answer into {num_paragraphs:paragraph|paragraphs}, separated by *** (three asterisks).",
        "Your response consists of {num_paragraphs:paragraph|paragraphs}; *** stands between one and the next.",
    ),
    "length_constraints:number_words": _related(
        (
            "Write at least {num_words:word|words}.",
            "Your answer should be {num_words:word|words} long or longer.",
            "Use no fewer than {num_words:word|words}.",
        ),
        (
            "Write fewer than {num_words:word|words}.",
            "Keep your answer under {num_words:word|words}.",
            "Use at most {less:word|words}.",
        ),
    ),
    "length_constraints:nth_paragraph_first_word": (
        "Write {num_paragraphs:paragraph|paragraphs} with a blank line between them; paragraph {nth_paragraph} starts "
        "with {first_word:quoted}.",
        "Use exactly {num_paragraphs:paragraph|paragraphs}, separated by blank lines. The first word of the "
        "{nth_paragraph:nth} paragraph is {first_word:quoted}.",
        "Divide the answer by blank lines into {num_paragraphs:paragraph|paragraphs} and begin the "
        "{nth_paragraph:nth} one with the word {first_word:quoted}.",
    ),
    "detectable_content:number_placeholders": (
        "Include at least {num_placeholders:placeholder|placeholders} in square brackets, like [name].",
        "Use {num_placeholders:placeholder|placeholders} or more, each in square brackets, for example [date].",
        "Leave {num_placeholders:blank|blanks} or more to fill in, marked with square brackets, like [place].",
    ),
    "detectable_content:postscript": (
        'Close with a postscript that starts with "{postscript_marker}"',
        'At the end, add a postscript beginning with "{postscript_marker}"',
        'Finish by writing a postscript, marked "{postscript_marker}"',
    ),
    "detectable_format:number_bullet_lists": (
        'Include exactly {num_bullets:bullet point|bullet points}, each on a line that starts with "* ".',
        'Your answer has to hold {num_bullets:bullet point|bullet points}, no more and no fewer. Start each with "* ".',
        "Give exactly {num_bullets:markdown bullet|markdown bullets}, like this:\n* a point",
    ),
    "detectable_format:constrained_response": (
        'Reply with one of these: "My answer is yes.", "My answer is no.", "My answer is maybe."',
        'Your answer has to be "My answer is yes.", "My answer is no." or "My answer is maybe."',
    ),
    "detectable_format:number_highlighted_sections": (
        "Highlight at least {num_highlights:part|parts} of your answer with asterisks, like *this*.",
        "Put {num_highlights:passage|passages} or more between single asterisks, as in *a passage*.",
        "Mark no fewer than {num_highlights:phrase|phrases} in markdown, like *this phrase*.",
    ),
    "detectable_format:multiple_sections": (
        'Divide your answer into at least {num_sections:section|sections}, each opened by "{section_spliter}" and its '
        "number, like {section_spliter} 1.",
        'Use {num_sections:section|sections} or more. Head them "{section_spliter} 1", "{section_spliter} 2" and so '
        "on.",
        'Your answer needs {num_sections:section|sections} at least; number them, starting with "{section_spliter} 1".',
    ),
    "detectable_format:json_format": (
        "Give your whole answer as valid JSON; it may stand in a ``` block.",
        "Output nothing but JSON that a parser accepts.",
        "The entire response must be one JSON value.",
    ),
    "detectable_format:title": (
        "Give your answer a title in double angular brackets, like <<a title>>.",
        "Add a title and wrap it like this: <<title>>.",
        "Somewhere there must be a title between << and >>.",
    ),
    "combination:two_responses": (
        "Answer twice, in two different ways, with ****** (six asterisks) between the two answers.",
        "Write two different responses and put ****** between them.",
    ),
    "combination:repeat_prompt": (
        "Begin by repeating the request word for word, without the rules that go with it, then answer it.",
        "Start with an exact copy of the request, leaving out its rules, and put your answer after it.",
    ),
    "startend:end_checker": (
        'Your answer ends with the exact phrase "{end_phrase}" and nothing follows it.',
        'Let "{end_phrase}" be the very last words that you write.',
        'Close with the words "{end_phrase}", followed by nothing else.',
    ),
    "change_case:capital_word_frequency": _related(
        (
            "Write at least {capital_frequency:word|words} in all capital letters.",
            "Use {capital_frequency:word|words} or more that are all in CAPITALS.",
        ),
        (
            "Write fewer than {capital_frequency:word|words} in all capital letters.",
            "At most {less:word|words} may be all in CAPITALS.",
        ),
    ),
    "change_case:english_capital": (
        "Write in English and in capital letters only.",
        "USE CAPITAL LETTERS THROUGHOUT, and write in English.",
        "Every letter of your answer, which is in English, must be upper case.",
    ),
    "change_case:english_lowercase": (
        "Write in English and in lower case only.",
        "Do not use a single capital letter, and write in English.",
        "Every letter of your answer, which is in English, must be lower case.",
    ),
    "punctuation:no_comma": (
        "Do not use any commas.",
        "Write without commas.",
        "There must not be a single comma in your answer.",
    ),
    "startend:quotation": (
        "Put your whole answer between double quotation marks.",
        'The response starts with " and ends with ".',
        "Enclose everything you write in one pair of double quotes.",
    ),
    # IF-RLVR
    "copy:copy": (
        "Do not carry out the request; copy it word for word, without this sentence, and write nothing else.",
        "Your output is an exact copy of the request (this rule excluded), which you do not answer.",
    ),
    "copy:copying_simple": (
        "Repeat the request exactly, leaving this sentence out, and do not answer it.",
        "Only say the request again word for word (not this sentence) without answering it.",
    ),
    "copy:copying_multiple": (
        "Repeat the request exactly {N:time|times} with ****** between the copies; leave this sentence out and do not "
        "answer.",
        "Do not answer. Write the request {N:time|times}, word for word and without this rule, separated by ******.",
    ),
    "new:copy_span_idx": (
        "Output only the characters of the request from index {n_start} up to, but not including, index {n_end}, "
        "counting from 0 (this sentence is not part of the request).",
        "Take the request without this sentence, count its characters from 0, and reply with those at index "
        "{n_start} to just before index {n_end}.",
    ),
    "copy:repeat_phrase": (
        'Write the phrase "{phrase}" exactly {small_n:time|times}, each time with exactly one of its inner words '
        "replaced.",
        '"{phrase}" should come {small_n:time|times}, and each time exactly one word between its first and its last '
        "is another one.",
    ),
    "detectable_format:sentence_hyphens": (
        "Join your sentences with hyphens and leave no spaces between them.",
        "Between two sentences stands a hyphen and no space.",
    ),
    "detectable_format:square_brackets": (
        "Put square brackets around each [word] [of] [your] [answer].",
        "Every word has to stand in its own square brackets, [like] [this.]",
    ),
    "detectable_format:bigram_wrapping": (
        "Take the words two by two and wrap each pair in double angular brackets, <<like this>> <<all along>>.",
        "Wrap every two consecutive words in << and >>, as in <<these two>> <<and these>>.",
    ),
    "keywords:no_adjacent_consecutive": (
        "No word may start with the letter that follows the first letter of the word before it in the alphabet.",
        "Two neighbouring words must not begin with consecutive letters, as in a word with b after one with a.",
    ),
    "keywords:word_once": (
        "Use {keyword:quoted} exactly once.",
        "{keyword:quoted} should occur once and only once.",
        "Mention {keyword:quoted} a single time.",
    ),
    "keywords:word_count_different_numbers": _related(
        (
            "Use {keyword:quoted} at least {frequency:time|times} in all.",
            "The word {keyword:quoted} should appear {frequency:time|times} or more.",
        ),
        (
            "Use {keyword:quoted} fewer than {frequency:time|times} in all.",
            "The word {keyword:quoted} should appear at most {less:time|times}.",
        ),
    ),
    "keywords:exclude_word_harder": (
        "Never use {keyword:quoted} as a word between two spaces.",
        "The word {keyword:quoted}, with a space before and after it, must not appear.",
    ),
    "keywords:palindrome": (
        'Use a palindrome, such as "noon", as a word of its own with spaces around it.',
        "One of the words, with no punctuation attached, has to read the same backwards, capitals included.",
    ),
    "keywords:keyword_specific_position": (
        "Word number {m} of sentence {n} has to be {keyword:quoted}, counting punctuation marks as words.",
        "In the {n:nth} sentence, make {keyword:quoted} the {m:nth} word (punctuation marks count).",
        "Let {keyword:quoted} be word {m} of sentence {n}, where punctuation marks are words too.",
    ),
    "keywords:start_end": (
        "Your last word is the same as your first, and nothing follows it, not even a full stop.",
        "Begin and end with the same word, without punctuation after the last one.",
    ),
    "paragraphs:paragraphs": (
        "Write two paragraphs with the divider *** between them.",
        "Your answer has exactly 2 paragraphs, and *** separates them.",
    ),
    "paragraphs:paragraphs2": (
        "Write two paragraphs with one blank line between them.",
        "Your answer has exactly 2 paragraphs, separated by two line breaks.",
    ),
    "first_word:first_word_sent": (
        "Start every sentence with the word {first_word:quoted}.",
        "Each sentence has to begin with {first_word:quoted}.",
    ),
    "first_word:first_word_answer": (
        "Start your answer with the word {first_word:quoted}.",
        "The very first word has to be {first_word:quoted}.",
        "Let {first_word:quoted} be the word that your response begins with.",
    ),
    "last_word:last_word_sent": (
        "End every sentence with the word {last_word:quoted}.",
        "Each sentence has to have {last_word:quoted} as its last word.",
    ),
    "last_word:last_word_answer": (
        "End your answer with the word {last_word:quoted}.",
        "The very last word has to be {last_word:quoted}.",
        "Let {last_word:quoted} be the word that your response ends with.",
    ),
    "count:lowercase_counting": (
        "Use at most {N:word|words} that are all in lower case.",
        "No more than {N:word|words} may be written entirely in lowercase letters.",
    ),
    "letters:letter_counting": _related(
        (
            "Use at least {N:letter|letters} in all.",
            "Your answer must be {N:letter|letters} long or longer; spaces and marks do not count.",
        ),
        (
            "Use fewer than {N:letter|letters} in all.",
            "Your answer may have at most {less:letter|letters}; spaces and marks do not count.",
        ),
    ),
    "letters:letter_counting2": _related(
        (
            'The letter "{letter}" must occur at least {let_frequency:time|times}.',
            'Write the letter "{letter}" {let_frequency:time|times} or more, in either case.',
        ),
        (
            'The letter "{letter}" must occur fewer than {let_frequency:time|times}.',
            'Write the letter "{letter}" at most {less:time|times}, in either case.',
        ),
    ),
    "count:counting_composition": (
        "Write 3 paragraphs with *** between them, each of exactly {n_sent:sentence|sentences}, each sentence of "
        "exactly {n_words:word|words}, punctuation marks counted as words.",
        "Three paragraphs, divided by ***: each has {n_sent:sentence|sentences} and each sentence "
        "{n_words:word|words}, where every punctuation mark counts as a word.",
    ),
    "count:count_unique": (
        "Do not use any word twice, nor any punctuation mark.",
        "Every word and every punctuation mark may occur only once.",
        "Repeat no word and no punctuation mark.",
    ),
    "count:count_increment_word": (
        "Use {keyword1:quoted} exactly once and {keyword2:quoted} exactly twice.",
        "{keyword1:quoted} has to occur one time, {keyword2:quoted} two times.",
    ),
    "punctuation:punctuation_dot": (
        "Do not use any full stops or dots.",
        'The character "." must not appear in your answer.',
    ),
    "punctuation:punctuation_exclamation": (
        "Do not use any exclamation marks.",
        'The character "!" must not appear in your answer.',
    ),
}
