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
        "file name": r".*filenames?",
        "name": rf"(?!(?:{_OF_A_THING})name).*name.*|nick|.*salutation|anrede",
        "date of birth": (
            r".*(?:birthda(?:te|y)|dateofbirth).*|.*birth(?:year)?|.*dob(?:date|iso|text|utc)?"
            r"|geburts(?:datum|tag)"
        ),
        "address": r".*(?:street|stra(?:ss|ß)e|postaladdress|addressline).*",
        "e-mail address": r".*mail.*",
        "phone number": (
            r".*(?:phone|telefon|landline|msisdn|rufnummer).*|.*(?:ani|dnis)(?:numbers?)?"
            r"|enumbers?"  # e164Number, without its digits
            r"|waids?|whatsappids?"
            r"|.*(?:mobile|cell|fax|sms|whatsapp|callback)s?(?:no|numbers?|address(?:es)?)?"
            r"|(?:from|to|home|work|business|private)?tel(?:no|number)?|call(?:er|ed)id"
            r"|(?:call(?:er|ed|ing)|contact|dialed|destination|remote|customer|external"
            r"|participant)(?:numbers?|party)"
        ),
    }.items()
}
"""What a member of JSON holds, by a part of its key: its letters, small ones."""
_PHONE_NUMBER = "phone number"
_MAY_BE_A_NUMBER = _PHONE_NUMBER, "date of birth"
_ADDRESS_OF_SOMEBODY = re.compile(
    "(?!.*(?:(?<!sh)ip|gateway|host|mac|network|proxy|server|url|web)address"
    "|(?:bind|destination|from|integration|listen|local|peer|remote|reply(?:to)?|source|target|to)"
    "address).*address(?:es|text)?|adressen?|anschrift"
)
"""Not one of the network, nor where a message comes from or goes to."""
_OF_AN_ERROR = re.compile("[a-z]*code|message|reason|status|type")
"""What stands below the key of a field where it is wrong, and not in an address."""
_SOMEBODY = re.compile("(?:external)?contact|customer|sender|caller|visitor|person|kunde")
_MAY_BE_NUMBERS = re.compile(
    f"(?:to|from)?address(?:normalized|raw|displayable)?|(?:to|from)(?:number)?|{_SOMEBODY.pattern}"
)
_ID = re.compile(r"\S*[\d_:/]\S*|[a-z]+(?:\.[a-z]+)+")
"""What may stand for somebody and says no name: an id, an address of the network, or a code."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BESIDE = tuple(
    (re.compile(says), re.compile(of))
    for says, of in (
        (
            "id|loc|param|k|[a-z]*(?:key|name|field|label|attribute|property|parameter|path"
            "|pointer|location|caption|question)",
            "[a-z]*values?|val|v|data|input|instance|content|rejected|actual|received|given|provided"
            "|old|new|was|previous|current|before|after|entityid|answer",
        ),
        # Beside a field it says what is wrong.
        ("key|k|label|title|caption|attribute(?:key|name)?", "text"),
        ("[a-z]*type|kind|title", "[a-z]*values?|v"),
        ("idtype", "id"),  # as open messaging has it: Phone, Email or Opaque
    )
)
"""Which member says what another one beside it is."""
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
    r"|(?i:(?<=tel|sms|fax)|(?<=phone)|(?<=mobile|callto|caller)|(?<=telefon)|(?<=whatsapp)"
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
_ONLY_NUMBER = re.compile(r"\+?\d{7,15}")


def masking(redact: Callable[[str], str]) -> Callable[[str], str]:
    """Return what masks people in a text, and hides secrets before that and after it.

    A mask takes escapes and what nobody sees off a text: a secret in it may be whole only then, and
    nobody else may know it.
    """
    return lambda text: redact(without_people(redact(text)))


def without_people(text: str) -> str:
    """Return a body with stand-ins for people's data, such as `<name, 5 characters>`.

    What is no JSON, and no plain sentence either, is `<text, … characters>` altogether, with the
    title of an HTML page.
    """
    try:
        value = json.loads(text.strip(_AROUND_JSON), object_pairs_hook=_without_duplicates)
        masked = _masked(value)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)
    except UNREADABLE:  # nested too deeply to read, or to walk through
        return _without_parts(text)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a value that another one replaces would not be seen")
    return members


def _masked(value: object, key: str = "", kind: str = "") -> object:
    """Return a value of JSON, all of it of a `kind` where that is known by a key above."""
    if isinstance(value, dict):
        beside = [(of, said) for says, of in _BESIDE if (said := _said(says, value))]
        kinds = {each: _kind(each) or kind or _kind_beside(each, beside) for each in value}
        is_address = _ADDRESS_OF_SOMEBODY.fullmatch(_plain(key)) is not None
        keys = {
            each: key if is_address and not _OF_AN_ERROR.fullmatch(_plain(each)) else each
            for each in value
        }
        return {
            _without_parts(each): _masked(below, keys[each], kinds[each])
            for each, below in value.items()
        }
    if isinstance(value, list):
        return [_masked(each, key, kind) for each in value]
    if isinstance(value, str):
        stand_in = _stand_in_of(value, key, kind)
        return without_people(value) if stand_in is None else stand_in
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        stand_in = _stand_in_of(str(value), key, kind * (kind in _MAY_BE_A_NUMBER))
        return value if stand_in is None else stand_in
    return value


def _stand_in_of(text: str, key: str, kind: str) -> str | None:
    """Return what stands for the text of a member; None where nothing does by its key."""
    kind = kind or _kind_by_value(text, _plain(key))
    if not kind or _UUID.fullmatch(text):
        return None
    return f"<{kind}, {len(text)} characters>" if text else text


def _kind_by_value(text: str, key: str) -> str:
    """Return of what kind the text of a member is whose key alone does not say so."""
    if _MAY_BE_NUMBERS.fullmatch(key) and _ONLY_NUMBER.fullmatch(text):
        return _PHONE_NUMBER
    if _ID.fullmatch(text):
        return ""
    if _ADDRESS_OF_SOMEBODY.fullmatch(key):
        return "address"
    return "name" * (_SOMEBODY.fullmatch(key) is not None)


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
    return _NO_LETTER.sub("", _usual(key)).lower()


def _said(says: re.Pattern[str], members: dict[str, object]) -> str:
    """Return the first kind that the texts of members with such keys name, "" where none does."""
    kinds = (
        _kind(text)
        for each, found in members.items()
        if says.fullmatch(_plain(each))
        for text in (found if isinstance(found, list) else [found])
        if isinstance(text, str)
    )
    return next(filter(None, kinds), "")


def _kind_beside(key: str, beside: list[tuple[re.Pattern[str], str]]) -> str:
    """Return of what kind the value of a key is as another member says."""
    return next((said for of, said in beside if of.fullmatch(_plain(key))), "")


def _kind(key: str) -> str:
    """Return of what kind the value of a key is: by its last part, or the one before."""
    parts = list(filter(None, map(_plain, _BETWEEN_PARTS.split(_usual(key)))))
    kinds = (
        kind for part in reversed(parts[-2:]) for kind in _KINDS if _KINDS[kind].fullmatch(part)
    )
    return next(kinds, "")
