"""Where a text may be cut without parting what is shown as one character: Unicode's rules for graphemes, in short.

Prepended marks (some Arabic and Indic signs) are not known here, and a joiner joins whatever stands behind it.
"""

from __future__ import annotations

import unicodedata

MAX_CLUSTER = 64  # characters of one grapheme that are kept together; only nonsense is longer
_FIRST_MARK = "\u0300"  # no character before it joins the one that it follows, but for the LF of CR LF
_JOINER = "\u200d"
_MARKS = ("Mn", "Me", "Mc")
# What no category tells: the non-joiner, the vowels AM of Thai and Lao, the sound marks of half-width Katakana.
_FURTHER_MARKS = "\u200c\u0e33\u0eb3\uff9e\uff9f"
_LINKERS = "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d"  # viramas of the scripts whose consonants form conjuncts
_HANGUL_PERIOD = 28  # of the composed syllables with one leading consonant and vowel, the first has no trailing one


def whole_until(text: str, end: int, start: int = 0) -> int:
    """The last index up to *end* where *text* may be cut, behind *start*, where it was cut before.

    It is *end* itself when a grapheme is longer than MAX_CLUSTER characters, or than all from *start* on.
    """
    for cut in range(end, max(start, end - MAX_CLUSTER), -1):
        if not is_joined(text, cut, start):
            return cut
    return end


def is_joined(text: str, cut: int, start: int = 0) -> bool:
    """Whether the characters around *cut* are shown as one; *text* begins, or was cut, at *start*.

    Looks at two characters; at a whole run of flags, back to *start* at most.
    """
    if not start < cut < len(text):
        return False
    before, char = text[cut - 1], text[cut]
    if char < _FIRST_MARK:
        return char == "\n" and before == "\r"
    if before == _JOINER or char == _JOINER or _extends(char):
        return True
    if _is_flag_half(char):
        return _flag_halves(text, cut, start) % 2 == 1
    return _is_one_syllable(before, char) or (before in _LINKERS and unicodedata.category(char) == "Lo")


def _extends(char: str) -> bool:
    """Whether *char* belongs to whatever it follows."""
    if "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f":
        return True  # skin tones, and the letters of regional flags
    return unicodedata.category(char) in _MARKS or char in _FURTHER_MARKS


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flag_halves(text: str, cut: int, start: int) -> int:
    """How many halves of flags stand right before *cut*: two make a flag."""
    first = cut
    while first > start and _is_flag_half(text[first - 1]):
        first -= 1
    return cut - first


def _is_one_syllable(before: str, char: str) -> bool:
    """Whether *before* and *char* are parts of one Hangul syllable."""
    if _is_leading(before):
        return _is_leading(char) or _is_vowel(char) or _is_composed(char)
    if _is_vowel(char):
        return _is_vowel(before) or _is_open(before)
    return _is_trailing(char) and (_is_vowel(before) or _is_trailing(before) or _is_composed(before))


def _is_leading(char: str) -> bool:
    return "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c"


def _is_vowel(char: str) -> bool:
    return "\u1160" <= char <= "\u11a7" or "\ud7b0" <= char <= "\ud7c6"


def _is_trailing(char: str) -> bool:
    return "\u11a8" <= char <= "\u11ff" or "\ud7cb" <= char <= "\ud7fb"


def _is_composed(char: str) -> bool:
    return "\uac00" <= char <= "\ud7a3"


def _is_open(char: str) -> bool:
    """Whether *char* is a composed syllable without a trailing consonant."""
    return _is_composed(char) and (ord(char) - ord("\uac00")) % _HANGUL_PERIOD == 0
