"""The official SDK takes the simulator for the real API.

It runs in a process of its own: it starts threads, watches a file in the home directory, and its
import warns; none of that belongs in this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from convoy.prepare.templates import sample_plan
from tests.simulator.api import conversations
from tests.simulator.in_process import ACTIVE, QUEUE
from tests.simulator_process import SimulatorProcess

BODIES = Path(__file__).with_name("official_sdk_bodies.py")
CLIENT = Path(__file__).with_name("official_sdk_client.py")
PUBLIC_CLIENT = Path(__file__).with_name("official_sdk_public_client.py")
IMPORT_DEADLINE_S = 600.0
"""The SDK is thousands of modules."""
BODY_OF_OLD = {
    "agent reply": ["textBody"],
    "message": ["textBody"],
    "message details": ["textBody"],
    "messages, bulk": ["entities.textBody"],
    "agentless, active": ["message.textBody", "textBody"],
    "agentless, of its own": ["message.textBody", "textBody"],
}
"""Where the answer has a member that the definition of 2026-07 requires and this SDK dropped."""
ACCEPTED_OTHERWISE = {
    "agent typing": 204,
    "attributes": 202,
    "conversation, deleted": 204,
    "disconnect": 202,
}
REFUSED = {
    "limits, unknown": (400, "invalid.value"),
    "communication, connected": (400, "communication.state.required"),
    "conversation, deleted by none": (400, "not.a.user"),
    "tokens me, gone": (401, "bad.credentials"),
}


RUN_EACH = """
import json, runpy, sys

for program, *arguments in json.loads(sys.argv[1]):
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")
"""


def said_by(home: Path, *programs: list[str]) -> list[Any]:
    """What SDK programs printed, each with its arguments, in one process: the import takes long."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN_EACH, json.dumps(programs)],
        # An empty home, so that a developer's own SDK configuration cannot choose another host.
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=IMPORT_DEADLINE_S,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_it_takes_the_simulator_for_the_api_and_its_models_make_the_templates_bodies(
    tmp_path: Path, repository: Path
) -> None:
    rendered = bodies_of_templates(repository)
    with SimulatorProcess("--conversations", "5", "--analytics-delay-s", "0") as simulator:
        known = [each["id"] for each in conversations(simulator)]

        listed, performed, made = said_by(
            tmp_path,
            [str(CLIENT), simulator.url],
            [str(PUBLIC_CLIENT), simulator.url, ACTIVE, QUEUE],
            [str(BODIES), json.dumps(rendered)],
        )

    purposes = ["customer", "agent"]
    assert listed == {"total": 5, "ids": known, "state": "connected", "purposes": purposes}
    assert_each_is_performed_and_no_member_lost(performed)
    assert_bodies_are_those_of_templates(made, rendered)


def assert_each_is_performed_and_no_member_lost(said: dict[str, Any]) -> None:
    assert said.keys() >= REFUSED.keys() | ACCEPTED_OTHERWISE.keys() | BODY_OF_OLD.keys()
    assert len(said) == 36
    for name, performed in said.items():
        if name in REFUSED:
            assert (performed["status"], performed["code"]) == REFUSED[name], name
        else:
            assert performed == {
                "status": ACCEPTED_OTHERWISE.get(name, 200),
                "differences": BODY_OF_OLD.get(name, []),
            }, name


def bodies_of_templates(repository: Path) -> dict[str, Any]:
    folders = [
        repository / "payloads" / name for name in ("open_message", "agent_reply", "agentless")
    ]
    sources = {
        f"{folder.name}/{path.stem}": path.read_text("utf-8")
        for folder in folders
        for path in sorted(folder.glob("*.json"))
    }
    plan = sample_plan("open_messaging", 1, {"integration_id": "i-1"}, templates=sources)
    bodies, message = plan.bodies("a-run", lambda: 1_780_000_000.5), plan.message(0)
    return {
        name: json.loads(bodies.render(replace(message, template_name=name))) for name in sources
    }


def assert_bodies_are_those_of_templates(made: dict[str, Any], rendered: dict[str, Any]) -> None:
    # Working public configurations send attributes that the model does not have.
    attributes = rendered["open_message/custom_attributes"]["channel"].pop("metadata")
    assert attributes["customAttributes"]
    for each in (*made.values(), *rendered.values()):
        if "channel" in each:  # the SDK writes the zone in another way
            each["channel"]["time"] = datetime.fromisoformat(each["channel"]["time"])
    assert rendered.keys() >= {"open_message/text", "agent_reply/text", "agentless/active"}
    assert made == rendered
