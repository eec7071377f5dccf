"""Each of Locust's options is honoured or refused by name, wherever it is given."""

from __future__ import annotations

import os
import re
import socket
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from locust import argument_parser

from convoy.errors import ExitCode, RefusedError, SettingsError
from convoy.plugin.options import add_options, check_ports, judge_options, who_can_reach
from convoy.settings.environment import credential_redactor
from tests.unit.remote.certificates import Authority

Parse = Callable[..., Namespace]

PAGE = Path(__file__).resolve().parents[4] / "docs" / "locust-options.md"
REFUSED = [
    (["--tags", "slow"], {}, "--tags: "),
    (["-T"], {}, "--tags: "),
    ([], {"LOCUST_TAGS": "slow"}, "--tags: "),
    (["--exclude-tags", "slow"], {}, "--exclude-tags: "),
    (["--config-users", '{"user_class_name": "A", "weight": 2}'], {}, "--config-users: "),
    (["--class-picker"], {}, "--class-picker: "),
    ([], {"LOCUST_USERCLASS_PICKER": "true"}, "--class-picker: "),
    (["--equal-weights"], {}, "--equal-weights: "),
    (["--profile", "stress"], {}, "--profile: .*--load-profile stress"),
    (["--exit-code-on-error", "0"], {}, "--exit-code-on-error: "),
    (["--exit-code-on-error", "1"], {}, "--exit-code-on-error: "),
    ([], {"LOCUST_EXIT_CODE_ON_ERROR": "0"}, "--exit-code-on-error: "),
    (["--otel"], {}, "--otel: "),
    (["--autoquit", "3"], {}, "--autoquit: .*--autostart"),
    (["--autostart", "--autoquit", "-5"], {}, "--autoquit: is -5"),
    (["--web-base-path", "load"], {}, "--web-base-path: is 'load'.*'/load'"),
    (["--master", "--worker"], {}, "--master: .*--worker"),
    (["--master", "--processes", "2"], {}, "--master: .*--processes"),
    (["--processes", "-3"], {}, "--processes: is -3"),
    (["--expect-workers", "2"], {}, "--expect-workers: is 2.*--master"),
    (["--processes", "2", "--expect-workers", "5"], {}, "--expect-workers: is 5.*starts 2"),
    (["--expect-workers-max-wait", "-1"], {}, "--expect-workers-max-wait: is -1"),
    (["--web-port", "99999"], {}, "--web-port: is 99999, but should be a port from 0 to 65535"),
    (["--master", "--master-bind-port", "-1"], {}, "--master-bind-port: is -1"),
    (["--worker", "--master-port", "65536"], {}, "--master-port: is 65536"),
    (["--tls-cert", __file__], {}, "--tls-key: "),
    (["--tls-cert", "none.pem", "--tls-key", __file__], {}, "--tls-cert: .*'none.pem'"),
    (["--tls-cert", __file__, "--tls-key", __file__], {}, "--tls-cert: .* is no certificate"),
    (["--scenarios", "a", "ConversationMessages"], {}, "--scenarios: "),
    (["--csv", f"{__file__}/figures"], {}, "--csv: .*is no folder"),
    (["--html", str(Path(__file__).parent)], {}, "--html: .*is a folder"),
    (["--json-file", f"{__file__}/figures.json"], {}, "--json-file: .*is no folder"),
    (["--json", "--json-file", "figures.json"], {}, "--json-file: .*--json"),
    (["--logfile", str(Path(__file__).parent)], {}, "--logfile: .*is a folder"),
]


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Parse:
    """Return how options are parsed with Convoy's among them, in an empty folder."""
    for name in [name for name in os.environ if name.startswith(("LOCUST_", "CONVOY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def parse(*options: str) -> Namespace:
        monkeypatch.setattr(sys, "argv", ["locust", *options])
        parser = argument_parser.get_empty_argument_parser(True, ["locust.conf"])
        argument_parser.setup_parser_arguments(parser)
        add_options(parser, {})
        parsed: Namespace = parser.parse_args(options)
        return parsed

    return parse


def complaints(options: Namespace) -> str:
    try:
        judge_options(options, str)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("given", "variables", "complaint"), REFUSED, ids=lambda value: str(value)[:40]
)
def test_what_convoy_cannot_honour_is_refused_by_name(
    parse: Parse,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    variables: dict[str, str],
    complaint: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    told = complaints(parse(*given))

    assert re.match(complaint, told)
    assert "\n" not in told


@pytest.mark.parametrize("option", ["--csv", "--html", "--json-file", "--logfile"])
def test_no_file_is_named_after_a_secret(parse: Parse, option: str) -> None:
    redact = credential_redactor({"CONVOY_CLIENT_SECRET": "hunter2-hunter2"}).redact

    with pytest.raises(SettingsError) as caught:
        judge_options(parse(option, "nowhere/hunter2-hunter2.txt"), redact)

    assert str(caught.value).startswith(f"{option}: holds a secret")


def test_what_locusts_own_file_says_is_judged_as_well(parse: Parse, tmp_path: Path) -> None:
    (tmp_path / "locust.conf").write_text("profile = stress\nexit-code-on-error = 0\n")

    told = complaints(parse())

    assert [line.split(":")[0] for line in told.splitlines()] == [
        "--profile",
        "--exit-code-on-error",
    ]


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--headless", "--autostart", "--autoquit", "0"],
        ["--csv", "new/folder/figures", "--csv-full-history", "--html", "{u}.html"],
        ["--json", "--print-stats", "--only-summary"],
        ["--json-file", "figures.json"],
        ["--web-base-path", "/load", "--web-login", "--headful"],
        ["--worker", "--processes", "-1", "--master-host", "127.0.0.1"],
        ["--master", "--expect-workers", "2"],
        ["--processes", "2", "--expect-workers", "2"],
        ["--processes", "-1", "--expect-workers", "2"],
        ["-u", "3", "-r", "1", "-t", "3s", "-s", "7", "--reset-stats", "ConversationMessages"],
    ],
    ids=lambda given: " ".join(given)[:30] or "none",
)
def test_what_convoy_honours_passes(parse: Parse, given: list[str]) -> None:
    assert complaints(parse(*given)) == ""


def test_a_certificate_with_its_key_passes(parse: Parse, tmp_path: Path) -> None:
    Authority(tmp_path).self_signed_context()
    given = ["--tls-cert", str(tmp_path / "alone.pem"), "--tls-key", str(tmp_path / "alone.key")]

    assert complaints(parse(*given)) == ""


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        (["--headless"], "only_summary", True),
        (["--headless", "--print-stats"], "only_summary", False),
        (["--print-stats", "--only-summary"], "only_summary", True),
        (["--json-file", "out.json"], "json_file", "out"),
        (["--json-file", "out"], "json_file", "out"),
        (["--reset-stats"], "reset_stats", False),
        ([], "stop_timeout", None),
        (["-s", "0"], "stop_timeout", 0),
        (["--stop-timeout", "1m"], "stop_timeout", 60),
    ],
    ids=lambda value: str(value),
)
def test_options_are_given_to_locust_as_they_are_meant(
    parse: Parse, given: list[str], name: str, value: object
) -> None:
    options = parse(*given)

    judge_options(options, str)

    assert getattr(options, name) == value


def test_every_option_of_locust_has_its_row() -> None:
    parser = argument_parser.get_empty_argument_parser()
    argument_parser.setup_parser_arguments(parser)
    shown = [
        each for each in parser._actions if each.help != argument_parser.configargparse.SUPPRESS
    ]
    cells = re.findall(r"^\| ([^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)

    named = [name for cell in cells for name in re.findall(r"`(--[\w-]+|UserClass)", cell)]
    options = [name for each in shown for name in each.option_strings if name.startswith("--")]

    assert sorted(named) == sorted([*options, "UserClass"])


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        pytest.param([], {}, [], id="this machine alone, by default"),
        pytest.param(["--master"], {}, [], id="as a master, too"),
        pytest.param(["--web-host", "localhost"], {}, [], id="by its name"),
        pytest.param(["--web-host", "0.0.0.0"], {}, ["web UI listens at 0.0.0.0:"], id="asked for"),
        pytest.param([], {"LOCUST_WEB_HOST": "::"}, ["web UI listens at :::"], id="by a variable"),
        pytest.param(["--processes", "2"], {}, [], id="as a master of processes, too"),
        pytest.param(["--web-host", "*"], {}, ["listens at *:8089 without a login"], id="all"),
        pytest.param(["--web-host", ""], {}, ["listens at *:8089 without a login"], id="empty"),
        pytest.param(["--web-host", "*", "--headless"], {}, [], id="headless"),
        pytest.param(
            ["--web-host", "*", "--headless", "--headful"], {}, ["without a login"], id="headful"
        ),
        pytest.param(
            ["--web-host", "*", "--web-login"], {}, ["without TLS"], id="a login in the clear"
        ),
        pytest.param(
            ["--web-host", "*", "--web-login", "--tls-cert", "c", "--tls-key", "k"],
            {},
            [],
            id="a login over TLS",
        ),
        pytest.param(["--worker", "--web-host", "*"], {}, [], id="a worker binds nothing"),
    ],
)
def test_who_lets_others_in_is_told_so(
    options: list[str],
    environ: dict[str, str],
    said: list[str],
    parse: Parse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    found = [*who_can_reach(parse(*options))]

    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (["--web-port", "TAKEN"], 4, "port TAKEN cannot be listened on .* with --web-port$"),
        (
            ["--headless", "--master", "--master-bind-port", "TAKEN"],
            4,
            "port TAKEN cannot be listened on .* with --master-bind-port and --master-port$",
        ),
        # An address of no machine (RFC 5737).
        (["--web-port", "0", "--web-host", "192.0.2.1"], 2, "--web-host: is '192.0.2.1', where"),
        (
            ["--headless", "--processes", "2", "--master-bind-host", "192.0.2.1"],
            2,
            "--master-bind-host: is '192.0.2.1', where this machine cannot listen",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_listened_at_is_a_sentence_with_the_way_out(
    parse: Parse, options: list[str], exit_code: int, said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = parse(*(each.replace("TAKEN", port) for each in options))

        with pytest.raises((RefusedError, SettingsError)) as refused:
            check_ports(given)

    assert refused.value.exit_code == ExitCode(exit_code)
    assert re.match(said.replace("TAKEN", port), str(refused.value))


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="by default"),
        pytest.param(["--web-host", "localhost"], id="its name"),
        pytest.param(["--web-host", "::1"], id="IPv6", marks=IPV6),
        pytest.param(["--web-host", "::"], id="all, IPv6", marks=IPV6),
        pytest.param(["--web-host", "*"], id="all"),
        pytest.param(["--web-host", ""], id="empty"),
        pytest.param(["--master", "--master-bind-host", "*"], id="a master, all"),
    ],
)
def test_this_machine_can_be_listened_at_by_each_of_its_addresses(
    parse: Parse, options: list[str]
) -> None:
    check_ports(parse("--web-port", "0", "--master-bind-port", "0", *options))


def test_a_port_that_a_process_does_not_use_may_be_taken(parse: Parse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        check_ports(parse("--headless", "--web-port", port, "--master-bind-port", port))
        check_ports(parse("--worker", "--web-port", port, "--master-bind-port", port))
