"""People in what was sent and answered: their names, addresses and numbers, masked.

What is left says of what kind and length a value was, because a wrong field is to be found by that.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator

from convoy.escapes import layers

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
"""The former says what the latter, beside it, is: in whole JSON anywhere, elsewhere right after."""
_PREFIX = re.compile(r".*[.:/@$\[]", re.DOTALL)
_SUFFIX = re.compile(r"[\d\]]+\Z")
_NOT_OF_A_KEY = str.maketrans("", "", "-_ ")
_AROUND_JSON = "\ufeff \t\r\n"
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
_MEMBER = re.compile(
    r"""(?:(["'])([\w .:/@$\[\]-]{2,60}+)\1|(?<![\w-])([\w-]{2,40}+))"""
    r"""\s*+:\s*+[bu]?(?=["'\[({\d])"""
)
_STRING = re.compile(r"""(["'])((?:(?!\1)[^\\]|\\.)*+)""", re.DOTALL)
_NUMBER = re.compile(r"\d++")
_TOKEN = re.compile(r"""(["'])(?:(?!\1)[^\\]|\\.)*+(?:\1|\Z)|[\[({})\]]""", re.DOTALL)
_FIELD = re.compile(
    r"""(?<![\w-])([\w.:@$\[\]-]{2,60}+)"""
    r"""(?:[ ]?=[ ]?(["'])([^"'<>]{1,200}+)|=([^&\s;,<>"']{1,200}+))"""
)
_ELEMENT = re.compile(
    r"""<((?:[\w-]{1,40}+:)?([\w.-]{2,60}+))"""
    r"""(?:\s(?:[^<>]{0,200}?\bname=["']([\w.-]{2,60}))?[^<>]{0,400}+)?>"""
)

_PART = re.compile(
    r"""\bname="?([\w.\[\]-]{2,60}+)"?[^\n]{0,200}+\n"""
    r"(?:[^\s][^\n]{0,200}+\n){0,5}+\r?\n([^\r\n]{1,400}+)"
)
"""Of a form in parts (`multipart/form-data`): the key, and the first line of the value."""

_Span = tuple[int, int, str]
"""From where to where a text is masked, and what stands there instead."""


def without_people(text: str) -> str:
    """Return a body with stand-ins for people's data, such as `<name, 5 characters>`.

    What is no whole JSON is searched for members as JSON, Python or JavaScript write them, and for
    fields of forms, attributes and elements of XML, beneath all their escapes.
    """
    try:
        value = json.loads(text.strip(_AROUND_JSON))
        masked = _masked(value)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)
    except (ValueError, RecursionError):
        return _without_parts(text)


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
    """Return a text without what looks like people's data in any layer of its escapes."""
    spans = [
        (at[begin], at[end], stand_in)
        for shown, at in layers(text)
        for begin, end, stand_in in _spans(shown)
    ]
    kept: list[str] = []
    start = 0
    for begin, end, stand_in in sorted(spans, key=lambda span: (span[0], -span[1])):
        if begin >= start:
            kept += text[start:begin], stand_in
            start = end
    return "".join([*kept, text[start:]])


def _spans(text: str) -> Iterator[_Span]:
    text = _folded(text)
    yield from _members(text)
    yield from _elements(text)
    named = ""
    for found in _FIELD.finditer(text):
        number = found.lastindex or 0
        kind = _kind(found[1]) or named * _is_named_value(found[1])
        named = _kind(found[number]) if _NAMES_ANOTHER.fullmatch(_plain(found[1])) else ""
        stand_in = _stand_in_of(found[number], "", kind)
        if stand_in is not None:
            yield (*found.span(number), stand_in)
    for found in _PART.finditer(text):
        if kind := _kind(found[1]):
            yield (*found.span(2), _stand_in_of(found[2], "", kind) or "")
    for shape, stand_in in ((_E_MAIL, "<e-mail address>"), (_PHONE, "<phone number>")):
        for found in shape.finditer(text):
            yield (*found.span(), stand_in)


def _members(text: str) -> Iterator[_Span]:
    """Yield the values of members, those of many values up to their last bracket, or the end."""
    start, named = 0, ""
    while found := _MEMBER.search(text, start):
        key, start = found[2] or found[3], found.end()
        kind = _kind(key) or named * _is_named_value(key)
        if string := _STRING.match(text, start):
            begin, end = string.span(2)
        elif number := _NUMBER.match(text, start):
            begin, end = number.span()
        else:
            begin, end = start, _end_of_values(text, start) if kind else start
        named = _kind(text[begin:end]) if _NAMES_ANOTHER.fullmatch(_plain(key)) else ""
        stand_in = _stand_in_of(text[begin:end], key, kind)
        if stand_in is not None:
            yield begin, end, stand_in
            start = end


def _end_of_values(text: str, begin: int) -> int:
    """Return where the object or the list ends that begins there."""
    depth = 0
    for token in _TOKEN.finditer(text, begin):
        depth += (token[0] in ("[", "{", "(")) - (token[0] in ("]", "}", ")"))
        if not depth:
            return token.end()
    return len(text)


def _elements(text: str) -> Iterator[_Span]:
    """Yield what stands between the tags of elements."""
    start = 0
    while found := _ELEMENT.search(text, start):
        start = found.end()
        if kind := _kind(found[2]) or _kind(found[3] or ""):
            end = text.find(f"</{found[1]}", start)
            end = len(text) if end < 0 else end
            yield start, end, _stand_in_of(text[start:end], "", kind) or ""
            start = end


def _folded(text: str) -> str:
    """Return a text of the same length in the usual forms of its characters (full-width, …)."""
    if text.isascii():
        return text
    usual = {each: unicodedata.normalize("NFKC", each) for each in set(text)}
    return text.translate({ord(each): to for each, to in usual.items() if len(to) == 1})


def _plain(key: str) -> str:
    return _folded(key).lower().translate(_NOT_OF_A_KEY)


def _is_named_value(key: str) -> bool:
    return _NAMED_VALUE.fullmatch(_plain(key)) is not None


def _kind(key: str) -> str:
    """Return of what kind the value of a key is: by its last part, without a number of its own."""
    plain = _plain(_SUFFIX.sub("", _PREFIX.sub("", _SUFFIX.sub("", key))))
    return next((kind for kind, keys in _KINDS.items() if keys.fullmatch(plain)), "")
