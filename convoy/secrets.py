"""Secrets that do not print, and the redactor that keeps them out of logs, records and reports."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

STARS = "**********"
SHORTEST = 4
"""Values of fewer characters are not hidden, because they would match ordinary words."""
_SHORTEST_BASE64 = 6


class Secret:
    """A text that only `reveal()` shows: it prints as stars and refuses to be pickled.

    As a pydantic field it is made from a string and serialises as stars.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"'{STARS}'"

    def __str__(self) -> str:
        return f"'{STARS}'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: it would leave the process in clear")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), from_text],
            serialization=core_schema.to_string_ser_schema(),
        )


class Redactor:
    """Hides registered values in texts, also url-encoded and inside a base64 `Basic` login.

    Secrets are found by their first characters, so that the cost depends on the length of a text
    and not on the number of secrets. `keep` is how many passing values (tokens) are kept; the
    oldest are dropped first, permanent values (credentials) never.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._keep = keep
        self._passing: OrderedDict[str, None] = OrderedDict()
        self._permanent: set[str] = set()
        self._forms_by_start: dict[str, list[str]] = {}

    def register(self, value: str | Secret, *, permanent: bool = False) -> None:
        """Hide `value` from now on; values shorter than `SHORTEST` characters are not hidden."""
        text = value.reveal() if isinstance(value, Secret) else value
        if len(text) < SHORTEST or text in self._permanent:
            return
        if text in self._passing:
            self._passing.move_to_end(text)
        else:
            self._add_forms(text)
        if permanent:
            self._passing.pop(text, None)
            self._permanent.add(text)
            return
        self._passing[text] = None
        while len(self._passing) > self._keep:
            self._drop_forms(self._passing.popitem(last=False)[0])

    def redact(self, text: str) -> str:
        """Return `text` with stars in the place of every registered value."""
        kept: list[str] = []
        start = position = 0
        while position <= len(text) - SHORTEST:
            length = self._secret_length_at(text, position)
            if length:
                kept.append(text[start:position])
                start = position = position + length
            else:
                position += 1
        return STARS.join([*kept, text[start:]]) if kept else text

    def _secret_length_at(self, text: str, position: int) -> int:
        forms = self._forms_by_start.get(text[position : position + SHORTEST], ())
        return max((len(form) for form in forms if text.startswith(form, position)), default=0)

    def _add_forms(self, text: str) -> None:
        for form in _forms(text):
            self._forms_by_start.setdefault(form[:SHORTEST], []).append(form)

    def _drop_forms(self, text: str) -> None:
        for form in _forms(text):
            forms = self._forms_by_start[form[:SHORTEST]]
            forms.remove(form)
            if not forms:
                del self._forms_by_start[form[:SHORTEST]]


class RedactingFilter(logging.Filter):
    """Redacts messages, their arguments and tracebacks; belongs on handlers, not on loggers.

    A logger's own filter does not see the records of the loggers below it.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        self._redact_message(record)
        self._redact_traceback(record)
        return True

    def _redact_message(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            # An argument's own `__str__` may raise anything. Logging would print the raw arguments
            # of such a record, and in a filter the exception would reach the caller of the logger.
            message = f"{record.msg} (its arguments could not be formatted)"
            record.msg, record.args = message, None
        redacted = self._redactor.redact(message)
        if redacted != message:
            record.msg, record.args = redacted, None

    def _redact_traceback(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            redacted = self._redactor.redact(record.exc_text)
            if redacted != record.exc_text:
                record.exc_text, record.exc_info = redacted, None
        if record.stack_info:
            record.stack_info = self._redactor.redact(record.stack_info)


def _forms(text: str) -> set[str]:
    """Return the ways in which a secret is written, the url-encoded and base64 ones included."""
    escaped = text.encode("unicode_escape").decode("ascii")
    utf8 = text.encode("utf-8", "surrogatepass")
    return {text, escaped, quote(utf8, safe=""), quote_plus(utf8), *_base64_forms(utf8)}


def _base64_forms(value: bytes) -> Iterator[str]:
    """Yield the forms of `value` inside a longer base64 text, one for each offset modulo three.

    The characters at both ends also hold bits of the neighbouring bytes, so they are left out; less
    than one byte of the secret stays readable at either end.
    """
    for bytes_before, mixed_characters in ((0, 0), (1, 2), (2, 3)):
        encoded = b64encode(b"\0" * bytes_before + value).decode("ascii")
        whole_characters = (bytes_before + len(value)) * 8 // 6
        form = encoded[mixed_characters:whole_characters]
        if len(form) >= _SHORTEST_BASE64:
            yield form
