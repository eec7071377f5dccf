"""Secrets that were given as an option or a variable by mistake, which splits or converts them."""

from __future__ import annotations

import pytest

from convoy.errors import SettingsError
from convoy.settings.environment import credential_redactor, web_hosts
from tests.unit.settings.configuration import faults_of

SAID = "holds a secret; a credential belongs in its own variable"
SECRETS = {
    "base64": "czNjcmV0LXZhbHVlLQ==",
    "commas": "one,two three,four",
    "YAML": "k: {deep: 1}",
    "digits": "0123456789",
    "a path and a value": "uesrs.a=5_000",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_an_option_or_variable_that_holds_a_secret_is_refused_by_its_name_alone(
    secret: str,
) -> None:
    environ = {"CONVOY_CLIENT_SECRET": secret}

    faults = faults_of(
        secret,
        f"users={secret}",
        f"criteria=[{secret}]",
        command_line={"scenarios": secret, "rate": secret, "seed": secret},
        environ=environ
        | dict.fromkeys(("CONVOY_SET", "CONVOY_SCENARIOS", "CONVOY_LABELS"), secret),
    )

    assert sorted(faults) == [
        f"{name}: {SAID}"
        for name in (
            "--rate",
            "--scenarios",
            "--seed",
            "--set 1",
            "--set 2",
            "--set 3",
            "CONVOY_LABELS",
            "CONVOY_SCENARIOS",
            "CONVOY_SET",
        )
    ]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_names_of_the_web_ui_that_hold_a_secret_are_refused_without_them(secret: str) -> None:
    with pytest.raises(SettingsError) as caught:
        environ = {"CONVOY_CLIENT_SECRET": secret}
        redact = credential_redactor(environ).redact
        web_hosts(environ | {"CONVOY_WEB_HOSTS": f"x.example,{secret}"}, redact)

    assert str(caught.value) == f"CONVOY_WEB_HOSTS: {SAID}"
