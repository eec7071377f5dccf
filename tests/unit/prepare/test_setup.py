"""The setup: what of the environment reaches the connections of a run, and stays out of sight."""

from __future__ import annotations

import pytest

from convoy.errors import ExitCode, LoginError, SettingsError
from convoy.prepare.setup import Setup
from tests.unit.remote.misbehaving_server import answer, serving
from tests.unit.settings.configuration import settings_of

LOGIN = {"CONVOY_CLIENT_ID": "a-client", "CONVOY_CLIENT_SECRET": "a-client-secret"}
TOKEN = answer("200 OK", b'{"access_token": "a-token", "expires_in": 3600}')
SETTINGS = settings_of(command_line={"host": "http://api.test"})


def setup_with(**environ: str) -> Setup:
    return Setup(LOGIN | environ, dict)


def test_the_proxy_of_the_environment_leads_to_the_login_and_its_own_login_is_redacted() -> None:
    with serving(lambda visitor: visitor.answer_all(TOKEN)) as proxy:
        setup = setup_with(HTTP_PROXY=f"http://me:hunter22@127.0.0.1:{proxy.port}")

        token = setup.connect(SETTINGS).log_in()

        head = proxy.requests[0].decode()
        assert token.value.reveal() == "a-token"
        assert head.startswith("POST http://api.test/oauth/token HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic bWU6aHVudGVyMjI=\r\n" in head
        assert "bWU6aHVudGVyMjI=" not in setup.redactor.redact(head)
        assert "hunter22" not in setup.redactor.redact("the password is hunter22")


def test_a_proxy_that_refuses_is_the_reason_of_a_login_that_fails() -> None:
    refused = answer("407 Proxy Authentication Required")
    with serving(lambda visitor: visitor.answer_all(refused)) as proxy:
        setup = setup_with(HTTP_PROXY=f"http://127.0.0.1:{proxy.port}")

        with pytest.raises(LoginError, match="user name and password.*check HTTPS_PROXY") as caught:
            setup.connect(SETTINGS).log_in()

    assert (caught.value.code, caught.value.refused) == ("proxy", False)


def test_a_variable_that_names_no_proxy_is_a_wrong_setting() -> None:
    setup = setup_with(HTTP_PROXY="socks5://me:hunter22@proxy.test")

    with pytest.raises(SettingsError, match=r"^HTTP_PROXY: .*should start with http://") as caught:
        setup.connect(SETTINGS)

    assert caught.value.exit_code is ExitCode.USAGE
    assert "hunter22" not in str(caught.value)


def test_a_variable_that_names_no_proxy_does_not_matter_for_this_machine() -> None:
    setup = setup_with(HTTP_PROXY="socks5://proxy.test")

    connections = setup.connect(settings_of(command_line={"host": "http://127.0.0.1:1"}))

    with pytest.raises(LoginError, match="connection refused"):
        connections.log_in()
