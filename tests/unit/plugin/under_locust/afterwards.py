"""Reconcile and cleanup: what they say of themselves."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from convoy import terminal
from convoy.cli.afterwards import reconcile_run
from convoy.errors import RefusedError
from convoy.prepare.setup import Setup
from convoy.results.record import STOP

SECRET = "a-client-secret"


def test_secrets_in_what_is_said_at_an_interrupt_are_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-run").mkdir()
    (tmp_path / STOP).touch()
    sentences: list[str] = []
    monkeypatch.setattr(terminal, "say_at_interrupt", sentences.append)
    setup = Setup({}, dict)
    setup.redactor.register(SECRET)

    with pytest.raises(RefusedError):
        reconcile_run(setup, Namespace(run="a-run", target=f"{SECRET}.yaml", wait=0), tmp_path)

    assert sentences[0].endswith("reconcile a-run --target **********.yaml")
