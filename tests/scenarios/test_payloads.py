"""The templates that come with Convoy, and texts of one's own, as the far side sees them."""

from __future__ import annotations

import json
from pathlib import Path

from convoy.plan.payloads import PayloadChoice
from tests.convoy_command import convoy
from tests.locust_process import ROOT, run_locust
from tests.simulator_process import SimulatorProcess

SEED = 7
SHORT = ["-t", "3s", "-u", "20", "--rate", "40", "--seed", str(SEED), "--set", "warm_up_s=0"]
UNHURRIED = ["--set", "late_after_ms=4000"]
PLACE = "scenario.conversation_messages"


def test_every_right_template_is_accepted(tmp_path: Path, simulator: SimulatorProcess) -> None:
    files = sorted((ROOT / "payloads" / "conversation").glob("*.json"))
    weights = {f"conversation/{path.stem}": 1.0 for path in files}
    drawn = ["--set", f"{PLACE}.payloads={json.dumps(weights)}"]

    ended = run_locust(tmp_path, "-H", simulator.url, *SHORT, *UNHURRIED, *drawn)

    choice = PayloadChoice(weights, SEED, "conversation_messages")
    assert {choice.template_names((k,))[0] for k in range(120)} == set(weights)
    assert ended.exit_code == 0, ended.output
    assert ended.run["verdict"] == "pass"
    assert ended.scenario["accepted"] == ended.scenario["scheduled"] == 120
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 120


def test_everything_wrong_with_the_templates_is_said_at_once_and_nothing_sent(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    right = (ROOT / "payloads" / "conversation" / "text.json").read_text("utf-8")
    broken = {
        "text": right.replace('"type": "conversation"', '"type": "phone"'),
        "nameless": right.replace('"name"', '"nickname"'),
        "endless": "{% for a in range(999) %}" * 3 + "{% endfor %}" * 3 + "{}",
        "curious": '{"text": {{ environ["PATH"] | tojson }}}',
    }
    folder = tmp_path / "payloads" / "conversation"
    folder.mkdir(parents=True)
    for name, source in broken.items():
        (folder / f"{name}.json").write_text(source, "utf-8")
    names = [f"conversation/{name}" for name in (*broken, "lost")]
    weights = ["--set", f"{PLACE}.payloads={json.dumps(dict.fromkeys(names, 1.0))}"]
    payloads = {"CONVOY_PAYLOADS_DIR": str(tmp_path / "payloads")}

    ended = run_locust(tmp_path, "-H", simulator.url, *SHORT, *weights, environment=payloads)

    assert ended.exit_code == 2, ended.output
    assert 'text.json, line 2, field to.type: `to.type` is "phone"' in ended.output
    assert "nameless.json, line 3, field from.name: `from.name` is missing" in ended.output
    assert "endless.json, line 1: cannot be rendered: takes too long" in ended.output
    assert "curious.json, line 1: 'environ' is no variable" in ended.output
    assert f"{PLACE}.payloads.conversation/lost: conversation/lost.json: " in ended.output
    assert "Traceback" not in ended.output
    assert simulator.ledger()["accepted"] == 0


def test_texts_of_a_corpus_are_sent_one_after_the_other(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    texts = ["erster", 'der "zweite"', "三番目"]
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(texts) + "\n", "utf-8")
    rule = json.dumps({"corpus": str(corpus), "choice": "sequence"})

    said = planned(simulator, "--set", f"{PLACE}.texts={rule}", "--messages", "6")

    sent = [line for line in said.splitlines() if '"text":' in line]
    assert [json.loads(f"{{{line.strip(' ,')}}}")["text"].partition("] ")[2] for line in sent] == (
        texts * 2
    )


def test_the_same_seed_makes_the_same_choices(simulator: SimulatorProcess) -> None:
    weights = {"conversation/unicode": 1.0, "conversation/emoji": 1.0}
    payloads = json.dumps({"conversation/text": 0.0, **weights})
    drawn = ["--messages", "9", "--set", f"{PLACE}.payloads={payloads}"]

    first, second = (planned(simulator, "--seed", "7", *drawn) for _ in range(2))
    other = planned(simulator, "--seed", "8", *drawn)

    choice = PayloadChoice(weights, 7, "conversation_messages")
    assert set(choice.template_names(range(9))) == set(weights)
    assert first == second
    assert first != other


def planned(simulator: SimulatorProcess, *options: str) -> str:
    """Return what `python -m convoy plan` says of a run against this simulator."""
    ended = convoy("plan", "--host", simulator.url, *options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
