"""People in what was sent and answered: their names, addresses and numbers, masked.

What is left says of what kind and length a value was, because a wrong field is to be found by that.
JSON is read; other languages, in which names may stand in a hundred ways, are masked as a whole.
"""

from __future__ import annotations

import json
import re
import unicodedata

_WHOSE = (
    "(?:from|to|user|customer|guest|agent|contact|person|participant|sender|recipient"
    "|home|work|business|private|other|primary)?"
)
_OF_A_THING = (
    "api|app|application|attribute|bot|campaign|channel|class|code|column|deployment|division"
    "|domain|enum|error|event|exception|field|file|flow|function|header|host|integration|key"
    "|language|method|metric|operation|org|organi[sz]ation|param|parameter|path|payload|permission"
    "|platform|product|property|queue|region|resource|role|route|scenario|schema|server|service"
    "|site|skill|step|table|tag|template|test|tool|topic|type|variable|wrapup"
)
_KINDS = {
    kind: re.compile(keys)
    for kind, keys in {
        "name": (
            rf"(?!(?:{_OF_A_THING})names?$)[^\W\d_]*names?|(?:{_WHOSE})(?:salutation"
            r"|birth(?:date|day)|dateofbirth"
            r"|(?:street|postal)?(?:street|address)line\d?|street(?:address)?)"
        ),
        "e-mail address": rf"{_WHOSE}e?mails?(?:address(?:es)?)?",
        "phone number": (
            rf"{_WHOSE}(?:(?:tele|cell|mobile)?phones?(?:numbers?)?|tel|fax|sms|whatsapp"
            r"|(?:mobile|cell)(?:number)?|ani|dnis|callerid|(?:caller|called)number)"
        ),
    }.items()
}
"""What a member of JSON holds, by its key in small letters without hyphens and underlines."""
_PHONE_NUMBER = "phone number"
_MAY_BE_NUMBERS = frozenset(["address", "toaddress", "fromaddress", "to", "from"])
_NAMES_ANOTHER = re.compile("key|name|fieldname|field|label|id|attribute|property|parameter|param")
_NAMED_VALUE = re.compile("[a-z]*values?")
"""The former says what the latter, beside it, is."""
_PREFIX = re.compile(r".*[.:/@$\[]", re.DOTALL)
_SUFFIX = re.compile(r"[\d\]]+\Z")
_NOT_OF_A_KEY = str.maketrans("", "", "-_ ")
_AROUND_JSON = "\ufeff \t\r\n"
_OF_A_LANGUAGE = re.compile(r"""[{<=\\]|["']\s*:|&#?\w{2,31};|%[0-9a-fA-F]{2}""")
"""What stands in JSON (cut off, or as Python writes it), XML, HTML, forms and their escapes."""
_TITLE = re.compile(r"<title>([^<>{}&]{1,100})</title>", re.IGNORECASE)
# Quantifiers are possessive or short, so that the time is linear in a text of any length.
_E_MAIL = re.compile(
    r"""(?:(?<![\w.+-])[\w.+-][\w.!#$'*+?^`|~-]{0,63}+|"[^"\n]{1,64}+")@"""
    r"(?:[\w-]{1,63}+(?:[.\u3002][\w-]{1,63}+){1,8}+|\[[\w.:]{3,45}\])"
)
_SPACE = r"[^\S\n]"  # those that do not break are spaces, too
_DASH = "\u2010-\u2015-"
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    # With the number of a country; then as 030 1234567; as 06 12 34 56 78; as (555) 123-4567.
    rf"(?:\+|00)[1-9](?:(?:{_SPACE}|[()./{_DASH}]){{0,3}}\d){{6,14}}+"
    rf"|\(?0[1-9]\d{{1,4}}(?:\){_SPACE}?|(?:{_SPACE}|[/{_DASH}]){{1,3}})"
    rf"\d(?:(?:{_SPACE}|[{_DASH}])?\d){{3,10}}+"
    rf"|0[1-9](?:(?:{_SPACE}|\.)\d\d){{4}}"
    rf"|(?:1(?:{_SPACE}|[.{_DASH}]))?"
    rf"(?:\([2-9]\d\d\){_SPACE}?|[2-9]\d\d(?:{_SPACE}|[.{_DASH}]))"
    rf"\d{{3}}(?:{_SPACE}|[.{_DASH}])\d{{4}}"
    rf")(?:{_SPACE}?(?:x|ext\.?|#){_SPACE}?\d{{1,6}}+)?(?![\w-])"
)
_ONLY_NUMBER = re.compile(r"\+?\d{7,15}")


def without_people(text: str) -> str:
    """Return a body with stand-ins for people's data, such as `<name, 5 characters>`.

    What is no JSON, and no plain sentence either, is `<text, … characters>` altogether, with the
    title of an HTML page.
    """
    try:
        value = json.loads(text.strip(_AROUND_JSON), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        return _without_parts(text)
    masked = _masked(value)
    return text if masked == value else json.dumps(masked, ensure_ascii=False)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a value that another one replaces would not be seen")
    return members


def _masked(value: object, key: str = "", kind: str = "") -> object:
    """Return a value of JSON, all of it of a `kind` where that is known by a key above."""
    if isinstance(value, dict):
        named = (
            _kind(text)
            for each, text in value.items()
            if isinstance(text, str) and _NAMES_ANOTHER.fullmatch(_plain(each))
        )
        beside = next(filter(None, named), "")
        return {
            _without_parts(each): _masked(
                below, each, _kind(each) or kind or beside * _is_named_value(each)
            )
            for each, below in value.items()
        }
    if isinstance(value, list):
        return [_masked(each, key, kind) for each in value]
    if isinstance(value, str):
        stand_in = _stand_in_of(value, key, kind)
        return without_people(value) if stand_in is None else stand_in
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        stand_in = _stand_in_of(str(value), key, kind * (kind == _PHONE_NUMBER))
        return value if stand_in is None else stand_in
    return value


def _stand_in_of(text: str, key: str, kind: str) -> str | None:
    """Return what stands for the text of a member; None where nothing does by its key."""
    if not kind and _plain(key) in _MAY_BE_NUMBERS and _ONLY_NUMBER.fullmatch(text):
        kind = _PHONE_NUMBER
    if not kind:
        return None
    return f"<{kind}, {len(text)} characters>" if text else text


def _without_parts(text: str) -> str:
    """Return a text that is no JSON without what looks like people's data."""
    usual = _usual(text)
    if _OF_A_LANGUAGE.search(usual):
        title = _TITLE.search(usual)
        told = f": {_without_parts(title[1])}" if title else ""
        return f"<text, {len(text)} characters{told}>"
    masked = _PHONE.sub("<phone number>", _E_MAIL.sub("<e-mail address>", usual))
    return text if masked == usual else masked


def _usual(text: str) -> str:
    """Return a text in the usual forms of its characters, and without those that nobody sees."""
    if text.isascii():
        return text
    shown = (each for each in text if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFKC", "".join(shown))


def _plain(key: str) -> str:
    return _usual(key).lower().translate(_NOT_OF_A_KEY)


def _is_named_value(key: str) -> bool:
    return _NAMED_VALUE.fullmatch(_plain(key)) is not None


def _kind(key: str) -> str:
    """Return of what kind the value of a key is: by its last part, without a number of its own."""
    plain = _plain(_SUFFIX.sub("", _PREFIX.sub("", _SUFFIX.sub("", key))))
    return next((kind for kind, keys in _KINDS.items() if keys.fullmatch(plain)), "")
