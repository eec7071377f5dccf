"""Secrets that do not print, and the redactor that keeps them out of logs, records and reports."""

from __future__ import annotations

import logging
import re
from base64 import b64decode
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias, TypeVar, cast
from weakref import finalize

from convoy.redaction.credential_shapes import credential_spans
from convoy.redaction.escapes import Layer, layers
from convoy.redaction.secret_forms import SHORTEST, SHORTEST_PART, UUID, SecretForms, take_one
from convoy.untrusted_text import printable, printable_lines

STARS = "**********"
_FURTHER_LINE = re.compile(r"\n(?!  )")
_INDENT = "\n  "
_LENGTH_OF_UUID = 36
_PARAMETER = re.compile(rf"[\w-]+=\"?([^\s\",;]{{{SHORTEST_PART},}})")
T = TypeVar("T")
_Queue: TypeAlias = OrderedDict[str, None]


class Secret:
    """A text that only `reveal()` shows: it prints as stars and refuses to be pickled."""

    __slots__ = ("__weakref__", "_value")

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


class Redactor:
    """Hides registered values in texts, and what has the shape of a credential.

    A value is found in clear and as JSON, URLs, HTML and Python escape it, in several layers and
    any mixture, in hexadecimal digits, and within longer base64 such as a `Basic` login. A text is
    looked through once for each layer of escapes that it has, in a time that depends on its length
    and on no value.

    A permanent value is hidden for good, another one (a token) as long as its Secret is in use. Of
    those that no longer are, or never were one, the newest `keep` are hidden; and as many, beside
    them, of those that a far side has said.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._keep = keep
        self._permanent: set[str] = set()
        self._in_use: Counter[str] = Counter()
        self._obtained: _Queue = OrderedDict()
        self._heard: _Queue = OrderedDict()
        self._ended: deque[tuple[_Queue, str]] = deque()
        """Those whose Secret is gone, until the next is registered: a garbage collection may enter
        them at any moment, when the forms are being looked through."""
        self._forms = SecretForms()

    def register(
        self, value: str | Secret, *, permanent: bool = False, is_heard: bool = False
    ) -> None:
        """Hide `value` from now on; values shorter than `SHORTEST` characters are not hidden.

        What a far side said of its own accord `is_heard`, so that it pushes out nothing else.
        """
        self._queue_ended()
        text = value.reveal() if isinstance(value, Secret) else value
        if len(text) < SHORTEST or text in self._permanent:
            return
        if permanent or not self._is_kept(text):
            self._forms.add(text, is_whole=permanent)
        queue = self._heard if is_heard else self._obtained
        if permanent:
            self._permanent.add(text)
            if len(text) >= SHORTEST_PART:  # a host is told in small letters, a level in capitals
                self.register(text.lower(), permanent=True)
                self.register(text.upper(), permanent=True)
        elif isinstance(value, Secret):
            self._in_use[text] += 1
            finalize(value, self._ended.append, (queue, text)).atexit = False
        else:
            self._enqueue(queue, text)

    def _queue_ended(self) -> None:
        while self._ended:
            queue, text = self._ended.popleft()
            take_one(self._in_use, text)
            self._enqueue(queue, text)

    def _enqueue(self, queue: _Queue, text: str) -> None:
        queue[text] = None
        queue.move_to_end(text)
        if len(queue) > self._keep:
            oldest, _ = queue.popitem(last=False)
            if not self._is_kept(oldest):
                self._forms.drop(oldest)

    def _is_kept(self, text: str) -> bool:
        kept = (self._permanent, self._in_use, self._obtained, self._heard)
        return any(text in each for each in kept)

    def register_header(self, value: Secret) -> None:
        """Hide a header's value, and by themselves what follows a scheme, and longer parameters.

        What follows `Basic` is a login in base64, whose password is hidden as well, without one its
        user.
        """
        text = value.reveal()
        scheme, _, credential = text.partition(" ")
        self.register(text, permanent=True)
        self.register(credential.strip(), permanent=True)
        for parameter in _PARAMETER.findall(text):
            self.register(parameter, permanent=True)
        if scheme.lower() == "basic":
            with suppress(ValueError):
                padded = credential.strip() + "=" * (-len(credential.strip()) % 4)
                raw = b64decode(padded)
                for login in (raw.decode("utf-8", "replace"), raw.decode("latin-1")):
                    self.register(login, permanent=True)
                    user, _, password = login.partition(":")
                    self.register(password or user, permanent=True)

    def redact(self, text: str) -> str:
        """Return `text` with stars in the place of every registered value.

        An id is compared as a whole, because there is one in every line of a log of messages.
        """
        if len(text) == _LENGTH_OF_UUID and UUID.fullmatch(text):
            return STARS if text in self._forms else text
        kept: list[str] = []
        start = 0
        # Of two that begin alike, the one that keeps JSON what it is.
        for begin, end, quote in sorted(self._spans(text), key=lambda each: (each[0], not each[2])):
            if begin >= start:
                kept += text[start:begin], quote, STARS, quote
            start = max(start, end)
        return "".join([*kept, text[start:]]) if kept else text

    def redact_all(self, value: T, known: Collection[str] = ()) -> T:
        """Return a value of JSON with all its texts redacted but `known` ones, keys included."""
        found: object = value
        if isinstance(value, str):
            found = value if value in known else self.redact(value)
        elif isinstance(value, Mapping):
            members: dict[object, object] = {}
            alike = Counter[object]()
            for key, each in value.items():
                name = self.redact_all(key, known)
                alike[name] += 1
                if alike[name] > 1:  # names may differ in their secrets alone
                    name = f"{name} ({alike[name]})"
                members[name] = self.redact_all(each, known)
            found = members
        elif isinstance(value, (list, tuple)):
            found = [self.redact_all(each, known) for each in value]
        return cast(T, found)

    def _spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield from where to where something is to be hidden, in no order.

        With it comes the quote that the stars need, so that what was JSON stays JSON.
        """
        for layer in layers(text):
            for begin, end in self._forms.spans(layer.text):
                yield layer.at[begin], layer.at[end], ""
        for begin, end, quote in credential_spans(Layer.of(text)):
            yield begin, end, text[quote]


def _text_of(message: object) -> str:
    try:
        return str(message)
    except Exception as error:
        return f"a {type(message).__name__} that raises {type(error).__name__} when it is shown"


class RedactingFilter(logging.Filter):
    """Redacts messages, their arguments and tracebacks; belongs on handlers, not on loggers.

    A logger's own filter does not see the records of the loggers below it. What steers a terminal
    is left out, and the further lines of a warning or an error are indented, so that no text of
    others looks like a line of the log.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.name = printable(self._redactor.redact(str(record.name)))
        record.levelname = printable(self._redactor.redact(str(record.levelname)))
        self._redact_message(record)
        self._redact_traceback(record)
        return True

    def _redact_message(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            # An argument's own `__str__` may raise anything. Logging would print the raw arguments
            # of such a record, and in a filter the exception would reach the caller of the logger.
            message = f"{_text_of(record.msg)} (its arguments could not be formatted)"
            record.msg, record.args = message, None
        clean = printable_lines(self._redactor.redact(message))
        if record.levelno >= logging.WARNING:
            clean = _FURTHER_LINE.sub(_INDENT, clean)
        # Arguments hold more than the message may show, and where a log cannot be written, Python
        # prints them.
        if clean != message or record.args:
            record.msg, record.args = clean, None

    def _redact_traceback(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            text, record.exc_info = printable_lines(self._redactor.redact(record.exc_text)), None
            # Each handler's filter sees the record.
            record.exc_text = text if text[:1] == " " else f"  {_FURTHER_LINE.sub(_INDENT, text)}"
        if record.stack_info:
            record.stack_info = printable_lines(self._redactor.redact(record.stack_info))
