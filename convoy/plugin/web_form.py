"""The form of the web UI: the fields that it has, and what each of them may hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite

from locust.util.timespan import parse_timespan

from convoy.errors import Fault, RefusedError, SettingsError
from convoy.plugin.runs import RunController
from convoy.prepare.guard import check_spawn_rate
from convoy.settings.values import LONGEST_S, MOST_USERS
from convoy.swarm.changes import Changes
from convoy.untrusted_text import quoted

KEPT = ("target", "load_profile", "scenarios", "seed", "run_time", "host")
"""Fields that a run keeps until its end."""
LOCUSTS = ("user_count", "spawn_rate", "host", "run_time", "profile")
"""Locust's own fields; those of Convoy's options come on top."""
_FOLDERS = {"target": "config/targets", "load_profile": "config/profiles"}
_LONGEST_FIELD = 1_000
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Form:
    """The values that were entered in the form.

    `options` are all fields as they were sent. `asked` holds the settings that Locust's own fields
    ask for: `users` and `run_time_s` where they differ from what the form showed at first, and
    `host`. The host is left out where another target was chosen and the host was not changed. A
    field that was cleared is None or "" in `asked`. `spawn_rate` is in users per second, None where
    that field was not changed.
    """

    options: Mapping[str, str]
    asked: Mapping[str, object]
    spawn_rate: float | None

    @property
    def changed(self) -> Iterator[str]:
        """Yield the fields that showed something else at first, of those that show a default."""
        if "users" in self.asked:
            yield "user_count"
        if "run_time_s" in self.asked:
            yield "run_time"
        if self.spawn_rate is not None:
            yield "spawn_rate"


def check_fields(
    form: Mapping[str, str], on_form: Collection[str], choices: Mapping[str, Collection[str]]
) -> None:
    """Raise SettingsError for a field that the form does not have, and for what no field may hold.

    `choices` are the values of fields that name a file. A path would have the file read, and what
    is in it told, to whoever sends the form.
    """
    faults: list[Fault] = []
    for name, value in form.items():
        if name not in on_form:
            # Locust's handler sets any of its options that is named, such as files to write.
            there_are = ", ".join(sorted(on_form))
            known = name if len(name) <= _LONGEST_FIELD else quoted(name)
            faults.append(Fault(known, f"is no field of the form; there are: {there_are}"))
        elif len(value) > _LONGEST_FIELD:
            problem = f"has {len(value):,} characters, but should have at most {_LONGEST_FIELD:,}"
            faults.append(Fault(name, problem))
        elif value and name in choices and value not in choices[name]:
            there_are = f"there are: {', '.join(sorted(choices[name])) or 'none'}"
            problem = f"{quoted(value)} is no name in {_FOLDERS[name]}; {there_are}"
            faults.append(Fault(name, f"{problem}. A path is given when Convoy is started"))
    SettingsError.raise_for(faults)


def read_form(form: Mapping[str, str], shown: Mapping[str, str]) -> Form:
    """Return the values of the form; raises SettingsError for one that Locust could not read.

    `shown` is what the form showed at first; a field that is not in it counts whatever it holds.
    """
    faults: list[Fault] = []
    users = _users(form.get("user_count", ""), faults)
    spawn_rate = _spawn_rate(form.get("spawn_rate", ""), faults)
    run_time_s = _run_time_s(form.get("run_time", ""), faults)
    if form.get("profile", "") not in ("", shown["profile"]):
        label = f"{quoted(form['profile'])} would be Locust's label of the run"
        faults.append(Fault("profile", f"{label}; the load's shape is Load Profile"))
    SettingsError.raise_for(faults)
    asked: dict[str, object] = {}
    if str(users) != shown.get("user_count"):
        asked["users"] = users
    if form.get("run_time", "") != shown.get("run_time"):
        asked["run_time_s"] = run_time_s
    is_for_other_target = form.get("target", "") not in ("", shown["target"])
    if "host" in form and not (is_for_other_target and form["host"] == shown["host"]):
        asked["host"] = form["host"]
    is_default_rate = spawn_rate == _number(shown.get("spawn_rate", ""))
    return Form(dict(form), asked, None if is_default_rate else spawn_rate)


def edit(controller: RunController, form: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Apply an edit to the rate of the present run; the number of users is changed by Locust.

    `before` holds the fields that it was started with; raises ConvoyError for any other change.
    Returns what the limits will hold back of another rate, "" where they suffice.
    """
    for name in KEPT:
        if form.get(name, "") not in ("", before.get(name, "")):
            changed = f"{name} cannot be changed while a run is going on"
            raise RefusedError(f"{changed}; only the rate and the number of users can")
    faults: list[Fault] = []
    users = _users(form.get("user_count", ""), faults)
    spawn_rate = _spawn_rate(form.get("spawn_rate", ""), faults)
    if form.get("profile", "") not in ("", before.get("profile", "")):
        faults.append(Fault("profile", "is Locust's label of the run, and cannot be changed"))
    present, text = controller.present_rate, form.get("rate", "").strip()
    rate = _number(text)
    is_new = text not in ("", str(present))
    if not text and before.get("rate"):
        faults.append(Fault("rate", "is cleared; write a number, the profile's is for a start"))
    if is_new and rate is None:
        faults.append(Fault("rate", f"{quoted(text)} is no number"))
    SettingsError.raise_for(faults)
    controller.check_users(users)
    check_spawn_rate(users, spawn_rate)
    held_back = ""
    if is_new and rate is not None and rate != present:

        def change(changes: Changes, at_s: float) -> None:
            nonlocal held_back
            changes.set_rate(at_s, rate)
            held_back = changes.held_back(users)

        controller.change(change)
    return held_back


def _users(text: str, faults: list[Fault]) -> int:
    """Return a number of users; Locust reads whole numbers only."""
    written = text.strip()
    if written.isdecimal() and len(written) <= _MOST_DIGITS and 0 < int(written) <= MOST_USERS:
        return int(written)
    expected = f"should be a whole number from 1 to {MOST_USERS:,}"
    faults.append(Fault("users", f"are {quoted(text)}, but {expected}"))
    return 0


def _spawn_rate(text: str, faults: list[Fault]) -> float | None:
    number = _number(text)
    if number is None or not 0 < number <= MOST_USERS:
        expected = f"should be a number above 0 and at most {MOST_USERS:,}"
        faults.append(Fault("spawn rate", f"is {quoted(text)}, but {expected}"))
    return number


def _run_time_s(text: str, faults: list[Fault]) -> int | None:
    if not text:
        return None
    problem = f"should be from 1s to {LONGEST_S // 3600}h"
    try:
        run_time_s = int(parse_timespan(text))
        if 0 < run_time_s <= LONGEST_S:
            return run_time_s
    except OverflowError:
        pass
    except ValueError:
        problem = "is no length of time; write 30s, 3m or 1h20m"
    faults.append(Fault("run time", f"{quoted(text)} {problem}"))
    return None


def _number(text: str) -> float | None:
    with suppress(ValueError):
        if isfinite(number := float(text)):
            return number
    return None
