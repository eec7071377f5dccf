"""People in what was sent and answered: their names, addresses and numbers, masked.

What is left says of what kind and length a value was, because a wrong field is to be found by that.
JSON is read; other languages, in which names may stand in a hundred ways, are masked as a whole.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable

from convoy.untrusted_text import UNREADABLE

_SENTENCES = re.compile(
    "[a-z]*(?:message|description)|messagewithparams|detail|error|reason|text|textbody|body|title"
)
"""Keys of sentences, which are shown but for the addresses and numbers of people in them."""
_LABELS = re.compile("key|k|label|caption|question|title|attribute(?:key|name)?")
"""Keys beside which a text may be what somebody has filled in."""
_WORDS = re.compile(
    "(?!.*birth)[a-z]*(?:type|kind|status|state|direction|version|date|time|timestamp|unit|format"
    "|level|channel|language|platform|method|action|count|total|limit|size|length)"
    "|(?:[a-z]*(?:error|status|reason))?code|class|at|ms|(?:field|param|property)[a-z]*|path|pointer"
    "|loc"
)
"""Keys of words, numbers and moments that say what is wrong, and nothing of people."""
_IDS = re.compile("(?!.*(?:mail|call(?:er|ed)|phone|whatsapp|^wa))[a-z]*(?:id|ids|uri|url)|to")
_ID = re.compile(r"(?!\+?\d{7,}\Z)\S*[\d_:/]\S*")
"""What is no name, and no number of somebody's."""
_OF_NOBODY = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\*+")
"""A UUID, or the stars of a secret."""
_FEWEST_DIGITS = 7
"""Of a number that may be somebody's."""
_BETWEEN_PARTS = re.compile(r"[^\w\s-]+")
_NO_LETTER = re.compile(r"[\W\d_]+")
_AROUND_JSON = "\ufeff \t\r\n"
_OF_A_LANGUAGE = re.compile(r"""[{<=\\\x00-\x1f\x7f]|["']\s*:|&#?\w{2,31};|%[0-9a-fA-F]{2}""")
"""What stands in JSON (cut off, or as Python writes it), XML, HTML, forms and their escapes; and
lines and tabs, as YAML and tables have them."""
_PAGE = re.compile(r"<(?:html|head)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title>([^<>{}&]{1,100})</title>", re.IGNORECASE)
# Quantifiers are possessive or short, so that the time is linear in a text of any length.
_E_MAIL = re.compile(
    r"""(?:(?<![\w.+-])[\w.+-][\w.!#$'*+?^`|~-]{0,254}+|"[^"\n]{1,64}+")@"""
    r"(?:[\w-]{1,63}+(?:[.\u3002][\w-]{1,63}+){1,8}+|\[[\w.:]{3,45}\])"
)
_APART = r"[\s()./_\u2010-\u2015\u2212-]{0,3}"
_DIGITS = rf"\d(?:{_APART}\d){{6,14}}+"
_EXTENSION = r"(?:\s?(?:x|ext\.?|#)\s?\d{1,6}+)?"
_AREA_CODE_IN_BRACKETS = (
    r"\([1-9]\d\)\s?9?\d{4}-\d{4}(?!\d)"  # as in Brazil
    r"|\[0[1-9]\d{1,4}\]\s?\d(?:[\s/]?\d){4,11}+"
)
_PHONE = re.compile(
    rf"\+[\s(]{{0,2}}{_DIGITS}{_EXTENSION}"
    r"|(?i:(?<=tel|sms|fax)|(?<=cell)|(?<=phone)|(?<=mobile|callto|caller|msisdn)|(?<=telefon)"
    r"|(?<=whatsapp)"
    r"|(?<=rufnummer))(?P<before>(?i:(?:\s?(?:number|nummer|no|nr))?(?:\s(?:is|was|ist|war))?)"
    rf"[.:\s'\"#(\[]{{1,3}})\(?{_DIGITS}"
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
_AMERICAN = re.compile(r"(?:1\D)?\(?[2-9]\d\d\)?\D?\d{3}\D\d{4}")


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
        masked = _without_parts(value) if isinstance(value, str) else _masked(value, "")
        return text if masked == value else json.dumps(masked, ensure_ascii=False)
    except UNREADABLE:  # nested too deeply to read, or to walk through
        return _without_parts(text)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a value that another one replaces would not be seen")
    return members


def _masked(value: object, key: str) -> object:
    """Return a value of JSON that stands below a key, or a stand-in unless that lets it be shown.

    Which keys hold people nobody knows, so that the others are listed.
    """
    if isinstance(value, dict):
        plain = {each: _plain(each) for each in value}
        if any(map(_LABELS.fullmatch, plain.values())):
            plain = {each: key.removeprefix("text") for each, key in plain.items()}
        return {_without_parts(each): _masked(below, plain[each]) for each, below in value.items()}
    if isinstance(value, list):
        return [_masked(each, key) for each in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if not isinstance(value, str):
        digits = sum(map(str.isdigit, str(value)))
        is_shown = digits < _FEWEST_DIGITS or _WORDS.fullmatch(key)
        return value if is_shown else f"<number, {len(str(value))} characters>"
    if _SENTENCES.fullmatch(key) or _OF_NOBODY.fullmatch(value):
        return without_people(value)
    is_word = _WORDS.fullmatch(key) and not any(map(str.isspace, value))
    if is_word or (_IDS.fullmatch(key) and _ID.fullmatch(value)):
        return _without_parts(value)
    return f"<text, {len(value)} characters>"


def _without_parts(text: str) -> str:
    """Return a text that is no JSON without what looks like people's data."""
    usual = _usual(text)
    if _OF_A_LANGUAGE.search(usual):
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
    digits = re.sub(r"\D", "", text)
    is_national = digits[0] == "0" and digits != text and not _DECIMAL.fullmatch(text)
    is_other = any(each.fullmatch(text) for each in (_DATE, _ADDRESS))
    is_phone = not is_other and (is_national or _AMERICAN.fullmatch(text) is not None)
    return "<phone number>" if is_phone or digits[:2] == "00" else found[0]


def _usual(text: str) -> str:
    """Return a text in the usual forms of its characters, and without those that nobody sees."""
    if text.isascii():
        return text
    shown = "".join(each for each in text if unicodedata.category(each) != "Cf")
    usual = unicodedata.normalize("NFKC", shown)
    return "".join(str(unicodedata.decimal(each, each)) for each in usual)


def _plain(key: str) -> str:
    """Return the letters of a key, small ones; of a path those of its last part."""
    parts = [_NO_LETTER.sub("", each) for each in _BETWEEN_PARTS.split(_usual(key))]
    return next(filter(None, reversed(parts)), "").lower()
