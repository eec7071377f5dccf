"""A configuration of a test's own, and the faults that resolving against one brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from convoy.errors import SettingsError
from convoy.settings import Settings
from convoy.settings.resolution import resolve

KNOWN = (
    "agent_reply",
    "agentless",
    "conversation_messages",
    "guest_chat",
    "guest_journey",
    "guest_messages",
    "invalid_messages",
    "open_messaging",
    "reconnect_storm",
)


def settings_of(
    *sets: str,
    command_line: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    config_dir: Path | None = None,
) -> Settings:
    """Resolve against the configuration that comes with Convoy, with `--set` for each of `sets`."""
    return resolve(
        command_line={**(command_line or {}), **({"set": sets} if sets else {})},
        environ={
            **(environ or {}),
            **({"CONVOY_CONFIG_DIR": str(config_dir)} if config_dir else {}),
        },
        known_scenarios=KNOWN,
    )


def faults_of(
    *sets: str,
    command_line: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    config_dir: Path | None = None,
) -> list[str]:
    """Return the faults as the operator reads them; none when the settings are right."""
    try:
        settings_of(*sets, command_line=command_line, environ=environ, config_dir=config_dir)
    except SettingsError as error:
        return [str(fault) for fault in error.faults]
    return []


def copy_of_configuration(source: Path, place: Path) -> Path:
    """Copy the configuration at `source` to `place`, where a test may change it."""
    for path in source.rglob("*.yaml"):
        copy = place / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return place
