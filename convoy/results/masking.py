"""People in what was sent and answered: their names, addresses and numbers, masked.

What is left says of what kind and length a value was, because a wrong field is to be found by that.
"""

from __future__ import annotations

import json
import re

_WHOSE = (
    "(?:from|to|user|customer|guest|agent|contact|person|participant|sender|recipient"
    "|home|work|business|private|other|primary)?"
)
_KINDS = {
    kind: re.compile(_WHOSE + f"(?:{keys})")
    for kind, keys in {
        "name": (
            r"(?:first|middle|last|given|family|sur|full|nick|display)?names?|salutation"
            r"|birth(?:date|day)|dateofbirth"
            r"|(?:street|postal)?(?:street|address)line\d?|street(?:address)?"
        ),
        "e-mail address": r"e?mails?(?:address(?:es)?)?",
        "phone number": (
            r"(?:tele|cell|mobile)?phones?(?:numbers?)?|tel|fax|sms|whatsapp"
            r"|(?:mobile|cell)(?:number)?|ani|dnis|callerid|(?:caller|called)number"
        ),
    }.items()
}
"""What a member of JSON holds, by its key in small letters without hyphens and underlines."""
_PHONE_NUMBER = "phone number"
_MAY_BE_NUMBERS = frozenset(["address", "toaddress", "fromaddress", "to", "from"])
_NOT_OF_A_KEY = str.maketrans("", "", "-_ ")
# Quantifiers are possessive or short, so that the time is linear in a text of any length.
_E_MAIL = re.compile(
    r"(?<![\w.+%-])[\w.+-]{1,64}+(?:@|%40|\\u0040)[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8}+"
)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"(?:\+|%2B|00)[1-9](?:[ ()./-]{0,2}\d){6,14}+"  # with the number of a country
    r"|\(?0[1-9]\d{1,4}(?:\)[ ]?|[ /-]{1,3})\d(?:[ -]?\d){3,10}+"  # as 030 1234567, (030) 1234567
    r"|\(?[2-9]\d\d\)?[ .-]\d{3}[ .-]\d{4}"  # as (555) 123-4567
    r")(?![\w-])"
)
_ONLY_NUMBER = re.compile(r"\+?\d{7,15}")
_MEMBER = re.compile(
    r"""((["'])([\w -]{2,40}+)\2\s*+:\s*+)"""
    r"""(?:(["'])((?:(?!\4)[^\\]|\\.)*+)(?=\4|\Z)|(\d{7,15}+)\b)""",
    re.DOTALL,
)
_FIELD = re.compile(r"((?<![\w-])([\w-]{2,40}+)=)([^&\s;,<>\"']{1,200}+)")
_ELEMENT = re.compile(r"(<([\w-]{2,40}+)>)([^<]{1,200}+)")


def without_people(text: str) -> str:
    """Return a body with stand-ins for people's data, such as `<name, 5 characters>`.

    What is no whole JSON is searched for members as JSON or Python write them, and for fields of
    forms and elements of XML.
    """
    try:
        value = json.loads(text)
        masked = _masked(value)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)
    except (ValueError, RecursionError):
        for form in (_FIELD, _ELEMENT):
            text = form.sub(_masked_field, text)
        return _without_shapes(_MEMBER.sub(_masked_member, text))


def _masked(value: object, key: str = "", kind: str = "") -> object:
    """Return a value of JSON, all of it of a `kind` where that is known by a key above."""
    if isinstance(value, dict):
        return {
            _without_shapes(each): _masked(below, each, _kind(each) or kind)
            for each, below in value.items()
        }
    if isinstance(value, list):
        return [_masked(each, key, kind) for each in value]
    if isinstance(value, str):
        return _masked_text(value, key, kind)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _masked_number(value, key, kind)
    return value


def _masked_number(number: float, key: str, kind: str) -> object:
    may_be = _plain(key) in _MAY_BE_NUMBERS and _ONLY_NUMBER.fullmatch(str(number))
    return _stand_in(str(number), _PHONE_NUMBER) if may_be or kind == _PHONE_NUMBER else number


def _masked_text(text: str, key: str, kind: str) -> str:
    if kind:
        return _stand_in(text, kind)
    if _plain(key) in _MAY_BE_NUMBERS and _ONLY_NUMBER.fullmatch(text):
        return _stand_in(text, _PHONE_NUMBER)
    return without_people(text) if text.startswith(("{", "[")) else _without_shapes(text)


def _masked_member(found: re.Match[str]) -> str:
    begin, _, key, quote, text, number = found.groups()
    if number is not None:
        return f"{begin}{_masked_number(int(number), key, _kind(key))}"
    return f"{begin}{quote}{_masked_text(text, key, _kind(key))}"


def _masked_field(found: re.Match[str]) -> str:
    begin, key, text = found.groups()
    return begin + _stand_in(text, kind) if (kind := _kind(key)) else found[0]


def _without_shapes(text: str) -> str:
    return _PHONE.sub("<phone number>", _E_MAIL.sub("<e-mail address>", text))


def _stand_in(text: str, kind: str) -> str:
    return f"<{kind}, {len(text)} characters>" if text else text


def _plain(key: str) -> str:
    return key.lower().translate(_NOT_OF_A_KEY)


def _kind(key: str) -> str:
    plain = _plain(key)
    return next((kind for kind, keys in _KINDS.items() if keys.fullmatch(plain)), "")
