"""The headers of requests: their values, and that the secret ones are hidden."""

from __future__ import annotations

from collections.abc import Mapping

from convoy.errors import Fault
from convoy.secrets import Redactor, Secret
from convoy.settings.environment import header_values
from convoy.settings.sources import names_of, read_sources


class Headers:
    """Reads the values of headers from `environ`, and has the `redactor` hide the secret ones."""

    def __init__(self, environ: Mapping[str, str], redactor: Redactor) -> None:
        self._environ = environ
        self._redactor = redactor

    def read(self, headers: Mapping[str, object], faults: list[Fault]) -> dict[str, str | Secret]:
        """Return the values of headers as `header_values`; secrets are hidden from now on."""
        values = header_values(self._environ, headers, faults)
        for value in values.values():
            if isinstance(value, Secret):
                self._redactor.register_header(value)
        return values

    def hide_all(self) -> str:
        """Hide the secret headers in all settings that can be chosen here by name or by default.

        Also those that others replace: nobody knows with which ones something was sent. Returns
        what is wrong with those that cannot be read, "" where there are none.
        """
        faults: list[Fault] = []
        chosen = [
            {option: name}
            for option in ("target", "load_profile")
            for name in names_of(option, self._environ)
        ]
        for options in [{}, *chosen]:
            for layer in read_sources(options, self._environ, self._redactor.redact, faults):
                if isinstance(headers := layer.values.get("headers"), dict):
                    self.read(headers, faults)
        return "; ".join(dict.fromkeys(map(str, faults)))
