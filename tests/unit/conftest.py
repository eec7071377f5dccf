"""What unit tests share: an environment without proxies."""

from __future__ import annotations

import pytest

from tests.unit.remote.proxy_server import name_proxies


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the proxies of the surroundings."""
    name_proxies(monkeypatch)
