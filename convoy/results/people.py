"""People in what was sent and answered: their names, addresses and numbers, masked.

What is left says of what kind and length a value was, because a wrong field is to be found by that.
"""

from __future__ import annotations

import json
import re

_KINDS = {
    kind: re.compile(keys)
    for kind, keys in {
        "name": (
            r"(?:first|middle|last|given|family|sur|full|nick|display|user|customer|guest|agent"
            r"|contact|person)?name|salutation|birth(?:date|day)|dateofbirth"
            r"|(?:street|postal)?(?:street|address)line\d?|street(?:address)?"
        ),
        "e-mail address": r"e?mail(?:address)?",
        "phone number": (
            r"(?:tele|cell|mobile)?phone(?:number)?|tel|fax|sms|whatsapp|(?:mobile|cell)(?:number)?"
            r"|ani|dnis|callerid|(?:caller|called)number"
        ),
    }.items()
}
"""What a member of JSON holds, by its key in small letters without hyphens and underlines."""
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
_MEMBER = re.compile(r'"([\w -]{2,40}+)"(\s*+:\s*+)"((?:[^"\\]|\\.)*+)(?="|\Z)', re.DOTALL)


def without_people(text: str) -> str:
    """Return a body with stand-ins for people's data, such as `<name, 5 characters>`.

    What is no whole JSON is searched for members as JSON writes them.
    """
    try:
        value = json.loads(text)
        masked = _masked(value)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)
    except (ValueError, RecursionError):
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
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return _stand_in(str(value), kind) if is_number and kind == "phone number" else value


def _masked_text(text: str, key: str, kind: str) -> str:
    if kind:
        return _stand_in(text, kind)
    if _plain(key) in _MAY_BE_NUMBERS and _ONLY_NUMBER.fullmatch(text):
        return _stand_in(text, "phone number")
    return _without_shapes(text)


def _masked_member(found: re.Match[str]) -> str:
    key, colon, text = found.groups()
    return f'"{key}"{colon}"{_masked_text(text, key, _kind(key))}'


def _without_shapes(text: str) -> str:
    return _PHONE.sub("<phone number>", _E_MAIL.sub("<e-mail address>", text))


def _stand_in(text: str, kind: str) -> str:
    return f"<{kind}, {len(text)} characters>" if text else text


def _plain(key: str) -> str:
    return key.lower().translate(_NOT_OF_A_KEY)


def _kind(key: str) -> str:
    plain = _plain(key)
    return next((kind for kind, keys in _KINDS.items() if keys.fullmatch(plain)), "")
