"""People in what was sent and answered: their names, addresses and numbers, masked.

What is left says of what kind and length a value was, because a wrong field is to be found by that.
JSON is read; other languages, in which names may stand in a hundred ways, are masked as a whole.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from string import digits

from convoy.untrusted_text import UNREADABLE

_SENTENCES = re.compile(
    "(?:default|error|fault|status|user)?(?:message|description)|messagewithparams|msg|diagnostics"
    "|detail|error|reason|text|textbody|body|title"
)
"""Keys of sentences, which are shown but for the addresses and numbers of people in them."""
_LABELS = re.compile("key|k|name|label|caption|question|title|attribute(?:key|name)?")
"""Keys beside which a text may be what somebody has filled in."""
_WORDS = {
    *("type", "kind", "status", "state", "direction", "version", "unit", "format", "level"),
    *("channel", "language", "platform", "method", "action", "class", "code", "path", "pointer"),
    *("loc", "field", "fields", "param", "parameter", "property"),
    *("expression", "severity", "target"),
}
"""The last word of keys whose texts of one word say what is wrong, and nothing of people."""
_MOMENTS_AND_COUNTS = {
    *("at", "time", "timestamp", "date", "ms", "count", "total", "limit", "size", "length")
}
_OF_SOMEBODY = {"birth", "post", "postal", "zip", "pass", "real", "card", "bank", "customer"}
"""Words before the last one with which such a key is of somebody all the same."""
_IN_PARTS = ("name", "names", "address", "addresses")
"""Ends of words for what may be given in parts."""
_PARTS = {"text", "title", "state", "unit", "level"}
"""Keys of what right below such a key is a part of it."""
_MOMENT_OR_COUNT = re.compile(r"[\d.:,+/TZPYMWDHS-]+(?:ms|s|%)?")
_NAMED = {"argument", "attribute", "field", "param", "parameter", "property"}
"""Words whose `name` is no person's."""
_IDS = re.compile("(?!wa|.*(?:mail|call(?:er|ed)|phone|whatsapp|jid))[a-z]*(?:id|ids|uri|url)|to")
_OF_AN_ID = re.compile(r"[\d_:/]")
"""What no name has."""
_LONGEST_KEY = 200
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OF_NOBODY = re.compile(rf"{_UUID.pattern}|\*+")
"""A UUID, or the stars of a secret."""
_FEWEST_DIGITS = 7
"""Of a number that may be somebody's."""
_BETWEEN_PARTS = re.compile(r"[^\w\s-]+")
_AROUND_JSON = "\ufeff \t\r\n"
_OF_A_LANGUAGE = re.compile(
    r"""[{<=\\\x00-\x1f\x7f\x85\u2028\u2029]|["']\s*:|&(?:#\w{2}|\w{2,31};)|%[0-9a-fA-F]{2}"""
)
"""What stands in JSON (cut off, or as Python writes it), XML, HTML, forms and their escapes; and
lines and tabs, as YAML and tables have them."""
_LIST = re.compile(r"""\s*\[\s*(?:["'[{]|-?\d+(?:\.\d+)?\s*,)""")
"""How one that is no JSON begins."""
_UNSEEN = ("Cf", "Mn", "Mc", "Me")
"""What is no character by itself: marks, vowel signs, and what steers others."""
_FILLERS = "\u115f\u1160\u3164\uffa0"
"""Of Hangul: letters that nobody sees."""
_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*")
_PAGE = re.compile(r"<(?:html|head)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title>([^<>{}&]{1,100})</title>", re.IGNORECASE)
# Quantifiers are possessive or short, so that the time is linear in a text of any length.
_E_MAIL = re.compile(
    r"""(?:(?<![\w.+-])(?:\d{7,20}:\d{1,4}|[\w.+-][\w.!#$%&'*+?^`|~-]{0,254}+)|"[^"\n]{1,64}+")@"""
    r"(?:[\w-]{1,63}+(?:[.\u3002][\w-]{1,63}+){1,8}+|[\w-]{3,63}+|\[[\w.:]{3,45}\])"
)
_APART = r"[\s()./_*\u00b7\u2010-\u2015\u2022\u2212-]{0,3}"
_DIGITS = rf"\d(?:{_APART}\d){{6,14}}+"
_EXTENSION = r"(?:\s?(?:x|ext\.?|#)\s?\d{1,6}+)?"
_AREA_CODE_IN_BRACKETS = (
    r"\([1-9]\d\)\s?9?\d{4}-\d{4}(?!\d)"  # as in Brazil
    r"|\[0[1-9]\d{1,4}\]\s?\d(?:[\s/]?\d){4,11}+"
)
_PHONE = re.compile(
    rf"\+[\s(]{{0,2}}\d(?:(?:[^\w@+,;]|_|[,;](?=\d)){{0,3}}\d){{6,14}}+{_EXTENSION}"
    r"|(?i:(?<=tel|sms|fax)|(?<=cell)|(?<=phone)|(?<=mobile|callto|caller|msisdn)|(?<=telefon)"
    r"|(?<=whatsapp)|(?<=rufnummer))"
    r"(?P<before>(?i:s?(?:[\s._-]{0,2}(?:numbers?|nummern?|no|nr))?(?:\s(?:is|was|ist|war))?)"
    rf"[.:\s'\"`#(\[_-]{{1,8}})\(?{_DIGITS}"
    rf"|(?<![\w.+-])(?:{_AREA_CODE_IN_BRACKETS})"
    rf"|(?<![\w.+-])(?P<maybe>\(?{_DIGITS})(?=(?:x|ext|#)|[^\w-]|\Z){_EXTENSION}"
)
_OF_TOKENS = r"[\w.~+/=-]"
_RUN = re.compile(
    rf"(?:(?<!{_OF_TOKENS}){_OF_TOKENS}++)?(<(?:phone number|e-mail address)>)"
    r"(?:[.~+/=-]*+\w)*+"
)
"""A stand-in within a run of characters that a token may have."""
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:\s.*)?")
_DECIMAL = re.compile(r"\d+\.\d+(?:\s.*)?")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_AMERICAN = re.compile(r"(?:1\D)?\(?[2-9]\d\d\)?\D?\d{3}\D\d{4}|\([2-9]\d\d\)\d{7}")


def masking(redact: Callable[[str], str]) -> Callable[[str], str]:
    """Return what masks people in a text, and hides secrets before that and after it.

    A mask takes escapes and what nobody sees off a text: a secret in it may be whole only then, and
    nobody else may know it.
    """
    return lambda text: redact(without_people(redact(text)))


def without_people(text: str) -> str:
    """Return a body with stand-ins for people's data, such as `<text, 5 characters>`.

    What is no JSON, and no plain sentence either, is `<text, … characters>` altogether, with the
    title of an HTML page.
    """
    try:
        value = json.loads(text.strip(_AROUND_JSON), object_pairs_hook=_without_duplicates)
        masked = without_people(value) if isinstance(value, str) else _masked(value, ())
        return text if masked == value else json.dumps(masked, ensure_ascii=False, allow_nan=False)
    except UNREADABLE:  # nested too deeply to read, or to walk through
        return _without_parts(text)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a value that another one replaces would not be seen")
    return members


def _masked(value: object, words: Sequence[str]) -> object:
    """Return a value of JSON below a key of these words, or a stand-in unless they let it be shown.

    Which keys hold people nobody knows, so that the others are listed.
    """
    last = words[-1] if words else ""
    if isinstance(value, dict):
        of: dict[str, Sequence[str]] = {each: _words(each) for each in value}
        if any(_LABELS.fullmatch("".join(each)) for each in of.values()):
            of = {each: [] if own == ["text"] else own for each, own in of.items()}
        if any(each.rstrip(digits).endswith(_IN_PARTS) for each in words):
            of = {each: words if _PARTS.issuperset(own) else own for each, own in of.items()}
        masked: dict[str, object] = {}
        for each, below in value.items():
            key = _key(each)
            of_this = key if key not in masked else f"{key} ({len(masked) + 1})"
            masked[of_this] = _masked(below, of[each])
        return masked
    if isinstance(value, list):
        return [_masked(each, words) for each in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    text = str(value)
    is_word = not any(map(str.isspace, text)) and not _OF_SOMEBODY.intersection(words)
    is_counted = bool(is_word and last in _MOMENTS_AND_COUNTS and _MOMENT_OR_COUNT.fullmatch(text))
    is_long = sum(map(str.isdigit, _UUID.sub("", text))) >= _FEWEST_DIGITS
    if not isinstance(value, str):
        return f"<number, {len(text)} characters>" if is_long and not is_counted else value
    if _SENTENCES.fullmatch("".join(words)) or _OF_NOBODY.fullmatch(value):
        return without_people(value)
    is_name = last in ("name", "names") and _NAMED.intersection(words)
    is_id = _IDS.fullmatch("".join(words)) and _OF_AN_ID.search(value)
    if is_counted or (is_word and not is_long and (last in _WORDS or is_name or is_id)):
        return _without_parts(value)
    return f"<text, {len(value)} characters>"


def _key(key: str) -> str:
    """Return a key of JSON as it may be shown: it may be whom its value is about."""
    count = sum(map(str.isdigit, key))
    is_name = not any(map(str.isspace, key)) and count < _FEWEST_DIGITS
    if is_name or _OF_NOBODY.fullmatch(key):
        return _without_parts(key)
    return f"<text, {len(key)} characters>"


def _without_parts(text: str) -> str:
    """Return a text that is no JSON without what looks like people's data."""
    usual = _usual(text)
    if _OF_A_LANGUAGE.search(usual) or _LIST.match(usual):
        title = _TITLE.search(usual) if _PAGE.search(usual) else None
        told = f": {_without_parts(title[1])}" if title else ""
        return f"<text, {len(text)} characters{told}>"
    masked = _PHONE.sub(_phone, _E_MAIL.sub("<e-mail address>", usual))
    # What is left of a run could be the rest of a token that another process knows.
    return text if masked == usual else _RUN.sub(r"\1", masked)


def _phone(found: re.Match[str]) -> str:
    """Return what stands for something with the digits of a phone number, itself where it is none.

    It is one with a `+`, behind a word for it, as 030 1234567, 06 12 34 56 78 or (555) 123-4567.
    """
    text = found["maybe"]
    if text is None:
        return f"{found['before'] or ''}<phone number>"
    number = re.sub(r"\D", "", text)
    is_national = number[0] == "0" and number != text and not _DECIMAL.fullmatch(text)
    is_other = any(each.fullmatch(text) for each in (_DATE, _ADDRESS))
    is_phone = not is_other and (is_national or _AMERICAN.fullmatch(text) is not None)
    return "<phone number>" if is_phone or number[:2] == "00" else found[0]


def _usual(text: str) -> str:
    """Return a text in the usual forms of its characters, without marks and what nobody sees."""
    if text.isascii():
        return text
    # Marks are left out twice: many in a row take long to put in order, and a form may have some.
    usual = _without_marks(unicodedata.normalize("NFKC", _without_marks(text)))
    return "".join(str(unicodedata.decimal(each, each)) for each in usual)


def _without_marks(text: str) -> str:
    seen = (each for each in text if unicodedata.category(each) not in _UNSEEN)
    return "".join(each for each in seen if each not in _FILLERS)


def _words(key: str) -> list[str]:
    """Return the words of a key, in small letters; of a path those of its last part."""
    if len(key) > _LONGEST_KEY:
        return []
    parts = (_WORD.findall(each) for each in reversed(_BETWEEN_PARTS.split(_usual(key))))
    return [word.lower() for word in next(filter(None, parts), [])]
