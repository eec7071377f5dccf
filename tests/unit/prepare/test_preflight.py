"""The preflight's patience: what asks to be left alone for a while is asked again, in time."""

from __future__ import annotations

from typing import Any

import pytest

from convoy.errors import LoginError, RemoteError
from convoy.prepare import preflight
from convoy.prepare.checklist import Checklist
from convoy.prepare.organisation_lock import OrganisationLock
from convoy.prepare.preflight import Preflight
from tests.unit.settings.configuration import settings_of

NOTHING: Any = None


class Remote:
    """Refuses with these errors, one after the other, and then gives a token."""

    def __init__(self, *refusals: RemoteError) -> None:
        self._refusals = iter(refusals)

    def ask(self) -> str:
        for refusal in self._refusals:
            raise refusal
        return "a token"


def refusal(retry_after_s: float | None) -> LoginError:
    return LoginError("429 x", "come back later", refused=False, retry_after_s=retry_after_s)


def preflight_of(prepare_timeout_s: float) -> Preflight:
    settings = settings_of(f"prepare_timeout_s={prepare_timeout_s}")
    return Preflight(settings, NOTHING, NOTHING, NOTHING, {}, 1, Checklist(), OrganisationLock())


def test_what_asks_to_come_back_is_asked_again_after_that_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept_s: list[float] = []
    monkeypatch.setattr(preflight.gevent, "sleep", slept_s.append)
    remote = Remote(refusal(7), refusal(0))

    assert preflight_of(60)._patiently("the login", remote.ask) == "a token"
    assert slept_s == [7, preflight._SHORTEST_PAUSE_S]


@pytest.mark.parametrize("retry_after_s", [None, 61])
def test_it_is_not_asked_again_where_that_is_too_late_or_not_asked_for(
    retry_after_s: float | None,
) -> None:
    remote = Remote(refusal(retry_after_s))

    with pytest.raises(LoginError, match="come back later"):
        preflight_of(60)._patiently("the login", remote.ask)
