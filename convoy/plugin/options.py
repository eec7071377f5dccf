"""Convoy's options on Locust's command line and in its web form."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence

from locust.argument_parser import LocustArgumentParser


class Names(list[str]):
    """Choices that a form offers; any other value is allowed, because it may be a path."""

    def __contains__(self, name: object) -> bool:
        return True


class Offered(str):
    """A default, told apart from the same value given on the command line."""


def add_options(
    parser: LocustArgumentParser,
    *,
    targets: Sequence[str],
    profiles: Sequence[str],
    defaults: Mapping[str, str],
) -> None:
    """Add the options; an empty one means the profile's. `defaults` are the environment's."""
    group = parser.add_argument_group("Convoy")
    for name, metavar, choices, text in _OPTIONS:
        offered = {"targets": targets, "profiles": profiles}.get(choices)
        action = group.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=metavar,
            default=Offered(defaults[name]),
            choices=None if offered is None else Names(offered),
            help=text,
        )
        for attribute, value in _IN_WEB_FORM.items():
            setattr(action, attribute, value)
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="dotted.path=YAML",
        help="any setting by its name; may be given several times",
    )


def given(options: Namespace) -> dict[str, object]:
    """Return the options that stood on the command line."""
    names = [name for name, *_ in _OPTIONS] + ["set"]
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if not isinstance(value, Offered)}


_OPTIONS = (
    ("target", "NAME-or-path", "targets", "where the load goes: a file of config/targets"),
    ("load_profile", "NAME-or-path", "profiles", "the load's shape: a file of config/profiles"),
    ("scenarios", "a,b", "", "what runs; empty means the profile's"),
    ("rate", "N|max", "", "messages per second, or max for flat out; empty means the profile's"),
    ("seed", "N", "", "the same seed sends the same messages; empty means the profile's"),
)
_IN_WEB_FORM = {
    "include_in_web_ui": True,
    "is_secret": False,
    "is_required": False,
    "is_multiple": False,
}
