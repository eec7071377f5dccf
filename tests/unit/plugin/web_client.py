"""The web UI with everything that Convoy adds to it, as a browser asks it, without a process."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from flask.testing import FlaskClient
from locust import User, argument_parser, events
from locust.env import Environment
from locust.web import WebUI

from convoy.errors import RefusedError
from convoy.plugin import webui
from convoy.plugin.command_line import CommandLine
from convoy.plugin.options import add_options
from convoy.plugin.runs import RunController
from convoy.plugin.web_form import Form
from convoy.plugin.web_login import Access
from convoy.prepare.setup import Setup
from convoy.remote.kill_switch import KillSwitch
from convoy.secrets import Redactor
from convoy.settings.sources import names_of

HERE = "127.0.0.1:8089"
events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser, {}))


class Nobody(User):
    """A user class, so that the page has one to show."""


class Browser(FlaskClient):
    """Sends each request with the `host` as its Host header."""

    host = HERE

    def open(self, *args: Any, headers: Mapping[str, str] | None = None, **kwargs: Any) -> Any:
        return super().open(*args, headers={"Host": self.host, **(headers or {})}, **kwargs)


class Page:
    """The web UI of a process with these options; `did` has what reached Convoy's own code.

    A form reaches `prepare`, or is refused where there is none.
    """

    def __init__(
        self,
        *options: str,
        access: Access | None = None,
        parsed: Namespace | None = None,
        prepare: Callable[[Form], Any] | None = None,
    ) -> None:
        self.did: list[str] = []
        if parsed is None:
            sys.argv = ["locust", *options]  # Locust parses it again for each page
            parsed = parse(*options)
        self.environment = Environment(user_classes=[Nobody], parsed_options=parsed)
        # No user is to begin.
        self.environment.create_local_runner().start = self._doing("start")  # type: ignore[method-assign]
        self.web_ui: WebUI = self.environment.create_web_ui(
            parsed.web_host.replace("*", ""),
            parsed.web_port,
            web_base_path=parsed.web_base_path,
            web_login=parsed.web_login,
            tls_cert=parsed.tls_cert,
            tls_key=parsed.tls_key,
            delayed_start=True,
        )
        assert self.web_ui.app is not None
        self.app = self.web_ui.app
        self.controller = SimpleNamespace(
            is_running=False,
            address="",
            record_folder=None,
            final=None,
            workers=SimpleNamespace(workers=lambda: ["local"]),
            change=lambda make: self._doing(make.__name__)(),
            summary=lambda: None,
            progress=lambda: "",
            make_way=lambda: None,
            line_up=self._doing("line up"),
        )
        command = SimpleNamespace(
            access=access or Access(),
            names_of=lambda option: names_of(option, {}),
            prepare_from_form=prepare or self._refuse,
        )
        self.kill_switch = KillSwitch(Path("no STOP"))
        setup = SimpleNamespace(waits_for="", kill_switch=self.kill_switch, redactor=Redactor())
        webui.install(
            self.web_ui,
            cast(RunController, self.controller),
            cast(CommandLine, command),
            cast(Setup, setup),
        )

    def client(self, host: str = HERE, address: str = "127.0.0.1") -> Browser:
        """Return a browser that asks for this host, from this address."""
        browser = Browser(self.app, use_cookies=True)
        browser.host = host
        browser.environ_base["REMOTE_ADDR"] = address
        return browser

    def options_as_they_are(self) -> Mapping[str, object]:
        assert self.environment.parsed_options is not None
        return dict(vars(self.environment.parsed_options))

    def _refuse(self, form: object) -> Any:
        self.did.append("prepare")
        raise RefusedError("it goes no further in this test")

    def _doing(self, name: str) -> Callable[..., None]:
        return lambda *_: self.did.append(name)


def parse(*options: str) -> Namespace:
    """Return these options, Convoy's among them, as Locust parses them."""
    parser = argument_parser.get_parser(default_config_files=[])
    parsed: Namespace = parser.parse_args(list(options))
    parsed.stop_timeout = 0  # as Convoy hands it to Locust
    return parsed
