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
            r"|(?:mobile|cell)(?:number)?|callback(?:numbers?|phones?)|ani|dnis|callerid|(?:caller|called)number)"
        ),
    }.items()
}
"""What a member of JSON holds, by its key in small letters without hyphens and underlines."""
_PHONE_NUMBER = "phone number"
_MAY_BE_NUMBERS = re.compile("(?:to|from)?address(?:normalized|raw|displayable)?|to|from")
_NAMES_ANOTHER = re.compile(
    "key|name|fieldname|field|label|id|attribute|property|parameter|param"
    "|(?:instance|property|data|json)?path|pointer|loc|location"
)
_NAMED_VALUE = re.compile("[a-z]*values?|data|input|instance")
"""The former says what the latter, beside it, is."""
_PREFIX = re.compile(r".*[.:/@$\[]", re.DOTALL)
_SUFFIX = re.compile(r"(?:\[\d*\]|[\d\]])+\Z")
_NOT_OF_A_KEY = str.maketrans("", "", "-_ ")
_AROUND_JSON = "\ufeff \t\r\n"
_OF_A_LANGUAGE = re.compile(r"""[{<=\\]|["']\s*:|&#?\w{2,31};|%[0-9a-fA-F]{2}""")
"""What stands in JSON (cut off, or as Python writes it), XML, HTML, forms and their escapes."""
_TITLE = re.compile(r"<title>([^<>{}&]{1,100})</title>", re.IGNORECASE)
# Quantifiers are possessive or short, so that the time is linear in a text of any length.
_E_MAIL = re.compile(
    r"""(?:(?<![\w.+-])[\w.+-][\w.!#$'*+?^`|~-]{0,254}+|"[^"\n]{1,64}+")@"""
    r"(?:[\w-]{1,63}+(?:[.\u3002][\w-]{1,63}+){1,8}+|\[[\w.:]{3,45}\])"
)
_SPACE = r"[^\S\n]"  # those that do not break are spaces, too
_DASH = "\u2010-\u2015-"
_WITH_COUNTRY = rf"[1-9](?:(?:{_SPACE}|[()./{_DASH}]){{0,3}}\d){{6,14}}+"
_EXTENSION = rf"(?:{_SPACE}?(?:x|ext\.?|#){_SPACE}?\d{{1,6}}+)?"
_PHONE = re.compile(
    rf"\+{_WITH_COUNTRY}{_EXTENSION}|(?<=\btel:)\d{{5,15}}+|(?<![\w.+-])(?:(?:00{_WITH_COUNTRY}"
    # As 030 1234567; as 06 12 34 56 78; as (555) 123-4567.
    rf"|\(?0[1-9]\d{{1,4}}(?:\){_SPACE}?|(?:{_SPACE}|[/{_DASH}]){{1,3}})"
    rf"\d(?:(?:{_SPACE}|[{_DASH}])?\d){{3,10}}+"
    rf"|0[1-9](?:(?:{_SPACE}|\.)\d\d){{4}}"
    rf"|(?:1(?:{_SPACE}|[.{_DASH}]))?"
    rf"(?:\([2-9]\d\d\){_SPACE}?|[2-9]\d\d(?:{_SPACE}|[.{_DASH}]))"
    rf"\d{{3}}(?:{_SPACE}|[.{_DASH}])\d{{4}}"
    rf"){_EXTENSION}(?![\w-]))"
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
            for each, found in value.items()
            if _NAMES_ANOTHER.fullmatch(_plain(each))
            for text in (found if isinstance(found, list) else [found])
            if isinstance(text, str)
        )
        beside = next(filter(None, named), "")
        of_id = _kind(str(value.get("idType")))  # as open messaging has it: Phone, Email, Opaque
        kinds = {
            each: _kind(each) or kind or beside * _is_named_value(each) or of_id * (each == "id")
            for each in value
        }
        return {
            _without_parts(each): _masked(below, each, kinds[each]) for each, below in value.items()
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
    if not kind and _MAY_BE_NUMBERS.fullmatch(_plain(key)) and _ONLY_NUMBER.fullmatch(text):
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
    shown = "".join(each for each in text if unicodedata.category(each) != "Cf")
    usual = unicodedata.normalize("NFKC", shown)
    return "".join(str(unicodedata.decimal(each, each)) for each in usual)


def _plain(key: str) -> str:
    return _usual(key).lower().translate(_NOT_OF_A_KEY)


def _is_named_value(key: str) -> bool:
    return _NAMED_VALUE.fullmatch(_plain(key)) is not None


def _kind(key: str) -> str:
    """Return of what kind the value of a key is: by its last part, without a number of its own."""
    plain = _plain(_SUFFIX.sub("", _PREFIX.sub("", _SUFFIX.sub("", key))))
    return next((kind for kind, keys in _KINDS.items() if keys.fullmatch(plain)), "")
