"""What the embedded simulator's address does not get: secrets, unless it was asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property

from convoy.errors import SettingsError
from convoy.prepare.logins import has_own_credentials
from convoy.settings import Settings
from convoy.settings.environment import VARIABLE_BY_OPTION


class Withholding:
    """Knows with which target this process was started, by its command line or its `environ`.

    Everybody has the embedded simulator's address by default, and anybody on this machine may
    listen there and call itself one.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        resolve: Callable[[Mapping[str, object]], Settings],
    ) -> None:
        self._environ = environ
        self._resolve = resolve
        self._named = environ.get(VARIABLE_BY_OPTION["target"], "")

    def note_target(self, named: object) -> None:
        """Note the target that the command line names, if any."""
        self._named = str(named or self._named)

    @cached_property
    def _named_simulator(self) -> str:
        """The target that this process was started with, by its name, if it is a simulator's."""
        if not self._named:
            return ""
        with suppress(SettingsError):  # which is said where the settings of the run are resolved
            target = self._resolve({"target": self._named}).target
            return target.name if target.embedded_simulator else ""
        return ""

    def is_from(self, settings: Settings) -> bool:
        """Tell whether the target gets none of the secrets that were given here."""
        target = settings.target
        return target.embedded_simulator and target.name != self._named_simulator

    def told(self, settings: Settings) -> str:
        """Say that secrets were given which the target does not get; "" where there are none."""
        has_header = any(not isinstance(each, str) for each in settings.headers.values())
        has_any = has_header or has_own_credentials(self._environ)
        if not has_any or not self.is_from(settings):
            return ""
        target = settings.target
        return (
            "your credentials and secret headers are not used, but the simulator's published "
            f"ones: anybody on this machine may listen at {target.api_url}, and Convoy was not "
            f"started with this target; --target {target.name} lets it have them"
        )
