"""A secret is found however it is written, and in a time that depends on the text alone."""

from __future__ import annotations

import html
import json
import random
import string
import struct
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.secrets import STARS, Redactor, Secret

AWKWARD = "q\"u\\o/t<e>&d%41+ü é€😀='end"


def url(text: str) -> str:
    return quote(text, safe="")


def url_in_lower_case(text: str) -> str:
    first, *others = url(text).split("%")
    return "%".join([first, *(each[:2].lower() + each[2:] for each in others)])


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def all_in_unicode_escapes(text: str) -> str:
    utf16 = text.encode("utf-16-be").hex()
    return "".join(f"\\u{utf16[at : at + 4]}" for at in range(0, len(utf16), 4))


def utf16_of(text: str) -> tuple[int, ...]:
    utf16 = text.encode("utf-16-be")
    return struct.unpack(f"!{len(utf16) // 2}H", utf16)


FORMS: dict[str, Callable[[str], str]] = {
    "in clear": str,
    "JSON": in_json,
    "JSON with UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with slashes escaped": lambda text: in_json(text).replace("/", "\\/"),
    "JSON in \\uXXXX only": all_in_unicode_escapes,
    "JSON in JSON": lambda text: in_json(in_json(text)),
    "JSON for HTML": lambda text: in_json(text).replace("<", "\\u003C").replace("&", "\\u0026"),
    "a URL": url,
    "a URL with slashes": quote,
    "a URL in small digits": url_in_lower_case,
    "a URL twice": lambda text: url(url(text)),
    "a URL in small digits twice": lambda text: url_in_lower_case(url_in_lower_case(text)),
    "a URL in Latin-1": lambda text: quote(text.encode("latin-1", "xmlcharrefreplace"), safe=""),
    "JSON four times": lambda text: in_json(in_json(in_json(in_json(text)))),
    "a form": quote_plus,
    "a URL in JSON": lambda text: in_json(url(text)),
    "HTML": html.escape,
    "HTML in decimal": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "HTML in hexadecimal": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "HTML without semicolons": lambda text: "".join(f"&#{ord(each)}" for each in text),
    "HTML with leading zeros": lambda text: "".join(f"&#x{ord(each):010X};" for each in text),
    "HTML by names": lambda text: "".join(
        f"&{codepoint2name[ord(each)]};" if ord(each) in codepoint2name else each for each in text
    ),
    "HTML in HTML": lambda text: html.escape(html.escape(text)),
    "JSON in HTML": lambda text: html.escape(in_json(text)),
    "Python": repr,
    "Python in ASCII": ascii,
    "Python's bytes": lambda text: repr(text.encode())[2:-1],
    "HTML by JavaScript": lambda text: "".join(f"&#{each};" for each in utf16_of(text)),
    "CESU-8 in a URL": lambda text: quote(
        b"".join(chr(each).encode("utf-8", "surrogatepass") for each in utf16_of(text)), safe=""
    ),
    "UTF-16": lambda text: "".join(f"{each}\0" for each in text),
    "CESU-8 read as Latin-1": lambda text: b"".join(
        chr(each).encode("utf-8", "surrogatepass") for each in utf16_of(text)
    ).decode("latin-1"),
    "UTF-16 of JSON": lambda text: "".join(f"{each}\0" for each in in_json(text)),
    "UTF-16 in JSON": lambda text: in_json("".join(f"{each}\0" for each in text)),
    "UTF-16 in a URL": lambda text: url("".join(f"{each}\0" for each in text)),
    "UTF-8 read as Latin-1": lambda text: text.encode().decode("latin-1"),
    "UTF-8 read as Latin-1 twice": lambda text: (
        text.encode().decode("latin-1").encode().decode("latin-1")
    ),
    "UTF-8 read as Latin-1 twice, as Python's bytes": lambda text: repr(
        text.encode().decode("latin-1").encode().decode("latin-1").encode()
    )[2:-1],
    "CESU-8 in hexadecimal": lambda text: b"".join(
        chr(each).encode("utf-8", "surrogatepass") for each in utf16_of(text)
    ).hex(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: urlsafe_b64encode(text.encode()).decode(),
    "base64 of a login": lambda text: b64encode(f"my-id:{text}".encode()).decode(),
    "base64 of a login in a URL": lambda text: url(b64encode(f"id:{text}:".encode()).decode()),
    "base64 of a login in JSON": lambda text: (
        b64encode(f"i:{text}".encode()).decode().replace("/", "\\/")
    ),
}
"""The ways in which a text is written, by what reads it."""


def hidden(secret: str, text: str) -> str:
    redactor = Redactor()
    redactor.register(secret)
    return redactor.redact(text)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_awkward_secret_is_hidden_in_every_form(form: Callable[[str], str]) -> None:
    written = form(AWKWARD).strip("'\"")

    redacted = hidden(AWKWARD, f'{{"a": "before {written} after"}}')

    middle = redacted.removeprefix('{"a": "before ').removesuffix(' after"}')
    assert STARS in middle and len(middle) <= len(STARS) + 12  # base64 mixes its ends


@pytest.mark.parametrize(
    "written",
    [
        b64encode("id:pässwörd½".encode("latin-1")).decode(),
        "pässwörd½".encode("latin-1").hex(),
        "p&auml;ssw&ouml;rd&frac12;",
        "pässwörd½".encode().decode("ascii", "surrogateescape"),
    ],
)
def test_a_secret_is_hidden_as_programs_write_it_that_know_latin_1_or_ascii(written: str) -> None:
    redacted = hidden("pässwörd½", written)

    assert STARS in redacted and len(redacted) <= len(STARS) + 6


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ('Qm7;xR2"vLk9fjTz', 'a=1&Qm7;xR2\\"vLk9fjTz'),
        ('b"cdef;ghijk88', "ab&quotcdef;ghijk88"),
        ("off-fjord-77", "off-&fjlig;ord-77"),
        ("price-€-per-77", "price-&#128;-per-77"),
    ],
)
def test_what_only_looks_like_a_name_of_html_hides_no_secret(secret: str, written: str) -> None:
    assert STARS in hidden(secret, written)


@given(
    st.text(min_size=8, max_size=30), st.sampled_from(sorted(FORMS.keys() - {"a URL in Latin-1"}))
)
def test_any_secret_is_hidden_in_every_form(secret: str, form: str) -> None:
    # Some texts in Latin-1 are others in UTF-8, and then nobody can tell.
    written = FORMS[form](secret.encode("utf-8", "replace").decode()).strip("'\"")
    secret = secret.encode("utf-8", "replace").decode()

    redacted = hidden(secret, f"before: {written} :after")

    assert STARS in redacted
    assert redacted.startswith("before: ") and redacted.endswith(" :after")


def test_a_registered_number_within_json_is_hidden_as_a_text() -> None:
    assert json.loads(hidden("12345678", '{"token": 12345678, "b": 1}')) == {"token": STARS, "b": 1}


def test_an_id_is_hidden_as_a_whole_only() -> None:
    id = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"

    assert hidden(id, id) == STARS
    assert hidden(id, f"client {id}") == f"client {STARS}"
    assert hidden("4e5f-4a6b", id) == id


@pytest.mark.parametrize("change", [str, str.upper, lambda id: id.replace("-", "")])
def test_an_id_that_is_a_secret_is_hidden_as_others_write_it(change: Callable[[str], str]) -> None:
    id = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"

    assert hidden(id, f"guest {change(id)}") == f"guest {STARS}"
    assert hidden(id, change(id)) == STARS


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ApiKey k-1234", "k-1234"),
        ("Bearer k-1234", "k-1234"),
        ("Basic bWU6aHVudGVyMg==", "bWU6aHVudGVyMg=="),
        ("Basic bWU6aHVudGVyMg==", "me:hunter2"),
        ("basic bWU6aHVudGVyMg==", "hunter2"),
        ("two words", "two words"),
        ("session=hunter2hunter2; other=w", "hunter2hunter2"),
        ('ApiKey id=1, key="hunter2hunter2"', "hunter2hunter2"),
        ("Basic bWU6aHVudGVyMg", "hunter2"),
        ("Basic bWU6aPxudGVyMg==", "h\u00fcnter2"),
        ("Basic no base64", "no base64"),
        ("Basic YW4tYXBpLWtleTo=", "an-api-key"),
    ],
)
def test_of_a_header_the_credential_alone_is_hidden_too(value: str, said: str) -> None:
    redactor = Redactor()
    redactor.register_header(Secret(value))

    assert redactor.redact(f"refused {said}!") == f"refused {STARS}!"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        pytest.param("QmFzZTY0IGlz==", "QmFzZTY0IGlz", id="without padding"),
        pytest.param("AbCdEfGh.Test", "abcdefgh.test", id="in small letters"),
        pytest.param("AbCdEfGh", "ABCDEFGH", id="in capitals"),
        pytest.param("abcd", "aWQ6YWJjZA==", id="short, within base64"),
    ],
)
def test_a_permanent_secret_is_hidden_as_programs_change_it(secret: str, said: str) -> None:
    redactor = Redactor()
    redactor.register(secret, permanent=True)

    assert STARS in redactor.redact(f"no {said}!")


def test_a_secret_with_a_backslash_at_its_end_is_hidden_in_json() -> None:
    for secret in ("Tr0ub+dor\\horse-battery\\", "Tr0ub%41dor\\x\\", "Tr0ub&lt;dor\\x\\"):
        assert secret not in json.loads(hidden(secret, json.dumps({"a": f"no {secret}"})))["a"]


def test_overlapping_secrets_are_hidden_together() -> None:
    redactor = Redactor()
    redactor.register("abcdefgh")
    redactor.register("efghijkl")

    assert redactor.redact("1 abcdefghijkl 2") == f"1 {STARS} 2"


def test_names_that_differ_in_their_secrets_alone_stay_two() -> None:
    found = Redactor().redact_all({"/x?token=a1": 1, "/x?token=b2": 2, 3: 4})

    assert found == {f"/x?token={STARS}": 1, f"/x?token={STARS} (2)": 2, 3: 4}


def test_texts_within_values_of_json_are_redacted_before_anything_wraps_them() -> None:
    redactor = Redactor()
    redactor.register("two words")

    value = {"two words": ["a two words b", 5, None, {"x": ("two words",)}]}

    assert redactor.redact_all(value) == {STARS: [f"a {STARS} b", 5, None, {"x": [STARS]}]}


HOSTILE = {
    "beginnings of tokens": "eyJh" * 25_000,
    "tokens but for the end": ("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + "x" * 80 + " ") * 850,
    "escapes": "\\u0041%41&amp;+" * 6_250,
    "backslashes": "\\" * 100_000,
    "quotes": '"token":"' * 11_000,
    "addresses": "://a" * 25_000,
    "parameters": "?token=&" * 12_500,
    "lists that do not end": '"token":[' * 11_000,
    "objects that do not end": '"token":{"' * 10_000,
    "lists in lists": '"token":' + "[" * 100_000,
    "brackets before names": "(token=" * 14_000,
    "quoted names": '"a[a' * 25_000,
    "long words": '"' + "token-" * 16_000,
    "quotes that do not end": "token=\"token='" * 6_500,
    "indexes": "token[0][0]" * 9_000,
    "values that do not end": "&token='" + "a " * 50_000,
    "values of escapes": '&token="' + "\\\\" * 50_000,
    "a text that does not end in a list": '"token":["' + '\\"' * 50_000 + "\\",
    "quotes with escapes of their own": "token=%22a%27" * 4_000,
    "quotes behind schemes": 'Bearer %22""' * 4_000,
    "lists one in the other": "token=[1," * 5_000 + "]" * 5_000,
    "lists that are cut off within texts": '[token"=A' * 11_000,
    "white space between names and separators": ("token" + " " * 180 + "x=") * 550,
    "separators beneath escapes": "=" * 100_000 + "%25252541",
    "addresses before signs": "://@&" * 20_000,
    "addresses in escapes": "://a:%40b%20" * 8_000,
    "parts of tokens": "a." + "eyJh" * 25_000,
    "a name of HTML at the end": "&notin" * 15_000 + "&fjlig;",
}


@pytest.fixture(scope="module")
def full() -> Redactor:
    """A redactor that knows as many tokens as it keeps, all of which begin alike."""
    chance = random.Random(1)
    redactor = Redactor()
    for _ in range(10_000):
        end = "".join(chance.choices(string.ascii_letters + string.digits, k=60))
        redactor.register("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + end)
    return redactor


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_time_depends_on_the_text_and_not_on_the_number_of_tokens(
    text: str, full: Redactor
) -> None:
    began_s = time.process_time()

    full.redact(text)

    # Tenths of a second; it was half a minute where all tokens began alike.
    assert time.process_time() - began_s < 5


class Watched(str):
    """A text that counts how often a part of it is looked at."""

    looks = 0

    def __getitem__(self, at: object) -> str:
        self.looks += 1
        return super().__getitem__(at)  # type: ignore[index]


def of_many_lengths(keep: int = 10_000, lengths: int = 1_000) -> Redactor:
    """A redactor that was told so many values of one beginning, each of another length."""
    redactor = Redactor(keep)
    for length in range(8, 8 + lengths):
        redactor.register(f"{'a' * length}:b", is_heard=True)
    return redactor


def test_a_text_is_not_looked_through_for_each_length_that_a_far_side_chooses() -> None:
    text = Watched("a" * 2_048)

    of_many_lengths().redact(text)

    assert text.looks < 50 * len(text)


@pytest.mark.parametrize("length", [8, 40, 41, 300, 511, 512, 1_007])
def test_values_of_many_lengths_are_all_hidden_and_json_stays_json(length: int) -> None:
    text = json.dumps({"x": f"see {'a' * length}:b here", "y": json.dumps(["a" * length + ":b"])})

    found = json.loads(of_many_lengths().redact(text))

    assert found == {"x": f"see {STARS} here", "y": f'["{STARS}"]'}


def test_values_of_many_lengths_are_forgotten_like_others() -> None:
    redactor = of_many_lengths(keep=2)
    text = " ".join(f"{'a' * length}:b" for length in range(8, 1_006))
    assert redactor.redact(text) == text

    redactor.register("another-1", is_heard=True)
    redactor.register("another-2", is_heard=True)

    assert redactor.redact("a" * 1_007 + ":b") == "a" * 1_007 + ":b"


def test_an_id_is_hidden_among_values_of_many_lengths() -> None:
    id = "aaaaaaaa-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
    redactor = of_many_lengths()
    redactor.register(id)

    assert redactor.redact(id) == STARS


def test_a_permanent_secret_is_found_to_its_end_among_values_of_many_lengths() -> None:
    redactor = of_many_lengths()
    redactor.register("aaaa is our password", is_heard=True)
    redactor.register("aaaa is our password", permanent=True)

    assert redactor.redact("no aaaa is our password!") == f"no {STARS}!"


@pytest.mark.parametrize("form", [str, in_json, url, FORMS["hexadecimal"], FORMS["base64"]])
def test_a_long_secret_is_hidden_whole_and_as_one(form: Callable[[str], str]) -> None:
    secret = "".join(random.Random(1).choices(string.ascii_letters + ' "', k=5_000))

    assert hidden(secret, f"no {form(secret)} there").count(STARS) == 1
    assert len(hidden(secret, f"no {form(secret)} there")) <= len(f"no {STARS} there") + 2
