"""The scenarios that can run are the user classes that were imported, and nothing else."""

from __future__ import annotations

from typing import ClassVar

import pytest

from convoy.errors import SettingsError
from convoy.plugin.message_user import MessageUser
from convoy.plugin.rows import TIMING
from convoy.plugin.scenario_classes import known_scenarios, request_types, user_classes


class Shared(MessageUser):
    abstract = True
    steps = ("typing",)


class OfATest(Shared):
    tasks: ClassVar = [print]
    scenario = "of_a_test"
    optional_steps: ClassVar = {"receipt": ()}
    timings = ("echoed", "receipt")


class Unfinished(MessageUser):
    abstract = True


def test_a_class_without_name_or_task_is_told_with_its_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Unfinished, "abstract", False)

    with pytest.raises(SettingsError) as caught:
        known_scenarios()

    name, task = str(caught.value).splitlines()
    for line, problem in ((name, "has no name; write `scenario"), (task, "has no task; write")):
        assert line.startswith(f"{__file__}, class Unfinished: {problem}")


def test_every_class_that_was_imported_can_run_unless_it_is_abstract() -> None:
    classes = user_classes()

    assert OfATest in classes
    assert not {Shared, MessageUser} & {*classes}
    assert len(classes) == len({*classes})


def test_a_scenario_is_known_by_what_its_class_says() -> None:
    known = known_scenarios()["of_a_test"]

    assert (known.route, known.steps) == (OfATest.route, ("typing",))
    assert (known.optional_steps, known.timings) == ({"receipt": ()}, ("echoed", "receipt"))
    assert known.open_conversation is None, "nothing is opened by a class that says not how"


def test_rows_are_of_messages_and_timings_by_name() -> None:
    types = request_types()

    assert types["of_a_test"] == "POST"
    assert types["of_a_test/echoed"] == TIMING
    assert "of_a_test/receipt" not in types, "a step's own row has its name"
