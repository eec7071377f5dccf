"""Which source wins, and how what it says is merged with the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convoy.settings import Settings
from convoy.settings.options import VARIABLE_BY_OPTION
from convoy.settings.resolution import resolve
from tests.unit.settings.configuration import copy_of_configuration, faults_of, settings_of


@pytest.fixture
def config(repository: Path, tmp_path: Path) -> Path:
    """A copy of the configuration in which each file sets another seed."""
    place = copy_of_configuration(repository / "config", tmp_path / "config")
    for name, seed in (("targets/simulator.yaml", 1), ("profiles/smoke.yaml", 2)):
        file = place / name
        file.write_text(f"{file.read_text()}\nseed: {seed}\n")
    return place


def test_the_default_configuration_runs_smoke_against_the_simulator() -> None:
    settings = settings_of()

    assert (settings.profile, settings.target.name) == ("smoke", "simulator")
    assert settings.target.api_url == "http://127.0.0.1:8080"
    assert settings.target.embedded_simulator
    assert settings.scenario["conversation_messages"].payloads == {"conversation/text": 1}


def test_the_profile_beats_the_target(config: Path) -> None:
    assert settings_of(config_dir=config).seed == 2


def test_the_environment_beats_the_profile(config: Path) -> None:
    assert settings_of(environ={"CONVOY_SEED": "3"}, config_dir=config).seed == 3


def test_the_command_line_beats_the_environment(config: Path) -> None:
    environ = {"CONVOY_SET": "seed=4", "CONVOY_SEED": "3"}

    settings = settings_of(command_line={"seed": 5}, environ=environ, config_dir=config)

    assert settings.seed == 5


@pytest.mark.parametrize(
    ("command_line", "environ"),
    [
        pytest.param({"seed": 5, "set": ["seed=6"]}, {}, id="command line"),
        pytest.param({}, {"CONVOY_SEED": "5", "CONVOY_SET": "users=3\nseed=6"}, id="environment"),
    ],
)
def test_set_beats_the_named_option_of_its_source(
    command_line: dict[str, object], environ: dict[str, str]
) -> None:
    assert settings_of(command_line=command_line, environ=environ).seed == 6


def test_the_last_of_two_sets_wins() -> None:
    assert settings_of("users=11", "users=12").users == 12


@pytest.mark.parametrize("nothing", [None, "", "  ", [], ()])
def test_empty_options_are_not_given(nothing: object) -> None:
    options = ("target", "load_profile", "scenarios", "rate", "seed", "set", "users", "host")

    settings = settings_of(command_line=dict.fromkeys(options, nothing))

    assert settings == settings_of()


def test_seed_zero_is_given() -> None:
    assert settings_of(command_line={"seed": 0}).seed == 0


def test_mappings_are_merged_and_lists_replaced() -> None:
    settings = settings_of(
        "scenario.conversation_messages.payloads.conversation/long=3",
        "limits=[{scope: token, count: 60, per_s: 10}]",
    )

    assert settings.scenario["conversation_messages"].payloads == {
        "conversation/text": 1,
        "conversation/long": 3,
    }
    assert [limit.count for limit in settings.limits] == [60]


DEFAULT = "share(failures[*]) < 1%"


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        pytest.param([], [DEFAULT], id="the default's"),
        pytest.param([["unknown == 0"]], [DEFAULT, "unknown == 0"], id="added"),
        pytest.param(
            [["unknown == 0"], ["sent > 5"]], [DEFAULT, "unknown == 0", "sent > 5"], id="twice"
        ),
        pytest.param(
            [["share( failures [*] )<5% over 60s, abort"]],
            ["share( failures [*] )<5% over 60s, abort"],
            id="the same, written with other spaces, limit, window and action",
        ),
        pytest.param([["share(failures) < 5%"]], ["share(failures) < 5%"], id="every code"),
        pytest.param(
            [["unknown == 0"], ["count(unknown) < 5"]], [DEFAULT, "count(unknown) < 5"], id="count"
        ),
        pytest.param(
            [["p95(response_time) < 1s"], ["p95.0(response_time) < 2s", "p99(step) < 1s"]],
            [DEFAULT, "p95.0(response_time) < 2s", "p99(step) < 1s"],
            id="a percentile",
        ),
        pytest.param(
            [["max(send_error) < 1s"], ["p100(send_error) < 2s"]],
            [DEFAULT, "p100(send_error) < 2s"],
            id="the largest",
        ),
        pytest.param(
            [["unknown(a) == 0"], ["count(unknown, a) < 5"]],
            [DEFAULT, "count(unknown, a) < 5"],
            id="count in a scenario",
        ),
        pytest.param(
            [["share(failures[429*]) < 1%", "share(failures, a) < 1%", "count(failures) < 9"]],
            [
                DEFAULT,
                "share(failures[429*]) < 1%",
                "share(failures, a) < 1%",
                "count(failures) < 9",
            ],
            id="another code, scenario or function",
        ),
        pytest.param(
            [["sent > 5", "sent > 1 over 3s"]],
            [DEFAULT, "sent > 5", "sent > 1 over 3s"],
            id="two about the same in one layer",
        ),
        pytest.param(
            [["sent > 5", "sent > 1 over 3s"], ["sent > 7"]], [DEFAULT, "sent > 7"], id="both gone"
        ),
        pytest.param([["sent > 5"], []], [], id="cleared"),
        pytest.param([["sent > 5"], [], ["sent > 7"]], ["sent > 7"], id="cleared and added"),
    ],
)
def test_criteria_are_added_replace_what_is_about_the_same_and_are_cleared(
    tmp_path: Path, layers: list[list[str]], merged: list[str]
) -> None:
    (tmp_path / "bare.yaml").write_text("rate: 20")
    options = {"load_profile": str(tmp_path / "bare.yaml")}

    settings = settings_of(
        *(f"criteria={json.dumps(lines)}" for lines in layers), command_line=options
    )

    assert list(settings.criteria) == merged


def test_criteria_of_profile_environment_and_command_line_are_added(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("criteria: [unknown == 0, sent > 5]")
    options = {"load_profile": str(tmp_path / "tiny.yaml")}

    settings = settings_of(
        "criteria=p95(response_time) < 1s",
        command_line=options,
        environ={"CONVOY_SET": "criteria=[sent > 9]"},
    )

    assert settings.criteria == (DEFAULT, "unknown == 0", "sent > 9", "p95(response_time) < 1s")


def test_criteria_may_be_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "strict.yaml").write_text("- unknown == 0\n- share(errors[4??]) < 1%\n")

    settings = settings_of(f"criteria={tmp_path / 'strict.yaml'}")

    assert settings.criteria[0] == DEFAULT
    assert settings.criteria[-2:] == ("unknown == 0", "share(errors[4??]) < 1%")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"unknown == 0", "should hold a list of criteria", id="no list"),
        pytest.param(b"criteria: [unknown == 0]", "should hold a list of criteria", id="mapping"),
        pytest.param(b"- [", "line 2: did not find expected node content", id="no YAML"),
        pytest.param(b"- \xff", "cannot be read: it is not UTF-8", id="no text"),
    ],
)
def test_a_file_that_holds_no_criteria_says_why(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "odd.yml"
    path.write_bytes(content)

    [fault] = faults_of(f"criteria={path}")

    assert fault.startswith(f"criteria (--set 1): the file '{path}' {problem}")


def test_a_higher_rate_replaces_the_stages_below_it() -> None:
    settings = settings_of(command_line={"load_profile": "spike", "rate": "7"})

    assert (settings.rate, settings.stages) == (7, None)


def test_higher_stages_replace_the_rate_below_them() -> None:
    settings = settings_of("stages=[{rate: 5, for_s: 10}]", environ={"CONVOY_RATE": "9"})

    assert settings.rate is None
    assert settings.stages is not None and settings.stages[0].rate == 5


def test_rate_and_stages_in_one_layer_are_a_fault() -> None:
    faults = faults_of("rate=5", "stages=[{rate: 5, for_s: 10}]")

    assert faults == ["rate, stages (--set 2): both are given, but one replaces the other"]


def test_a_host_replaces_all_addresses_and_starts_no_simulator(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(f"{APPROVED}  messaging_url: https://m.example\n")
    given = {"target": str(tmp_path / "real.yaml"), "host": "http://127.0.0.1:9999/"}

    target = settings_of(command_line=given).target

    assert (target.urls, target.messaging_url) == (("http://127.0.0.1:9999",), None)
    assert not target.embedded_simulator


def test_targets_and_profiles_may_be_files_anywhere(tmp_path: Path) -> None:
    target, profile = tmp_path / "staging.yaml", tmp_path / "tiny.yml"
    target.write_text("target: {api_url: 'https://a.example', login_url: 'https://l.example'}")
    profile.write_text("users: 2\nrun_time_s: 1e1\n")

    settings = settings_of(command_line={"target": str(target), "load_profile": str(profile)})

    assert (settings.target.name, settings.profile) == ("staging", "tiny")
    assert (settings.users, settings.run_time_s) == (2, 10)


def test_the_configuration_may_be_mounted_elsewhere(config: Path) -> None:
    assert settings_of(environ={"CONVOY_CONFIG_DIR": str(config)}).seed == 2


def test_scenarios_are_a_list_or_a_text_with_commas() -> None:
    both = ("conversation_messages", "guest_journey")

    assert settings_of(command_line={"scenarios": " conversation_messages, guest_journey"})
    assert settings_of(command_line={"scenarios": ",".join(both)}).scenarios == both
    assert settings_of(environ={"CONVOY_SCENARIOS": ",".join(both)}).scenarios == both
    assert settings_of("scenarios=[guest_journey]").scenarios == ("guest_journey",)


def test_a_scenario_without_a_section_has_the_usual_payload() -> None:
    settings = settings_of(command_line={"scenarios": "guest_journey"})

    assert settings.scenario["guest_journey"].payloads == {"conversation/text": 1}


def test_settings_travel_as_json() -> None:
    spike = settings_of(command_line={"load_profile": "spike"})
    flat_out = settings_of(command_line={"rate": "max"})

    for settings in (spike, flat_out):
        assert Settings.model_validate_json(settings.model_dump_json()) == settings


APPROVED = """
target:
  api_url: https://a.example
  login_url: https://l.example
  approval: {ticket: "12345", organisation_id: o-1, highest_rate: 50}
"""


def test_an_approval_stands_in_the_targets_own_file(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(APPROVED)

    approval = settings_of(command_line={"target": str(tmp_path / "real.yaml")}).target.approval

    assert approval is not None and approval.highest_rate == 50


WINDOW = "{from: 2026-11-26 22:00, to: 2026-11-27 05:00, zone: Europe/Berlin}"


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        pytest.param(WINDOW, "", id="as YAML reads it"),
        pytest.param("{from: '2026-11-26', to: '2026-11-27T05:00', zone: UTC}", "", id="as texts"),
        pytest.param(WINDOW.replace("22:00", "25:00"), "should be as in 2026-11-26", id="no time"),
        pytest.param(WINDOW.replace("05:00", "05:00Z"), "without a time zone", id="two zones"),
        pytest.param(WINDOW.replace("Berlin", "Atlantis"), "name of a time zone", id="no zone"),
        pytest.param("{from: 2026-11-26, zone: UTC}", "window.to", id="half of it"),
        pytest.param(WINDOW[:-1] + ", until: x}", "window.until", id="a word too much"),
    ],
)
def test_the_window_of_an_approval_is_two_moments_and_a_time_zone(
    tmp_path: Path, window: str, problem: str
) -> None:
    approved = APPROVED.replace("highest_rate: 50", f"highest_rate: 50, window: {window}")
    (tmp_path / "real.yaml").write_text(approved)
    asked = {"target": str(tmp_path / "real.yaml")}

    faults = faults_of(command_line=asked)

    assert len(faults) == bool(problem), faults
    assert problem in "".join(faults)
    if not problem:
        settings = settings_of(command_line=asked)
        assert Settings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("logins", "own", "expected"),
    [
        ("", (), 5),
        (", logins_per_s: 2", (), 2),
        (", logins_per_s: 2", ("oauth.logins_per_s=1",), 1),
    ],
    ids=["by default", "approved", "own"],
)
def test_logins_to_other_machines_have_a_rate(
    tmp_path: Path, logins: str, own: tuple[str, ...], expected: float
) -> None:
    approved = APPROVED.replace("highest_rate: 50", f"highest_rate: 50{logins}")
    (tmp_path / "real.yaml").write_text(approved)

    settings = settings_of(*own, command_line={"target": str(tmp_path / "real.yaml")})

    assert settings.oauth.logins_per_s == expected
    assert settings_of().oauth.logins_per_s is None


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param({"host": "https://other.example"}, id="by -H"),
        pytest.param({"set": ["target.login_url=https://other.example"]}, id="by --set"),
        pytest.param({"set": ["target.messaging_url=https://other.example"]}, id="for guests"),
    ],
)
def test_an_approval_does_not_hold_for_another_address(
    tmp_path: Path, moved: dict[str, object]
) -> None:
    (tmp_path / "real.yaml").write_text(APPROVED)

    settings = settings_of(command_line={"target": str(tmp_path / "real.yaml"), **moved})

    assert settings.target.approval is None


def test_an_approval_cannot_be_given_on_the_command_line() -> None:
    faults = faults_of("target.approval={ticket: a, organisation_id: b, highest_rate: 1}")

    assert len(faults) == 1 and "belongs in the target's own file" in faults[0]


def test_expected_answers_are_by_status_and_travel_to_workers() -> None:
    written = "scenario.conversation_messages.expect={202: [id], 204: empty}"

    settings = settings_of(written)

    expect = settings.scenario["conversation_messages"].expect
    assert expect == {202: ("id",), 204: ()}
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


PROFILE = """
target: {ca_file: ca.pem}
criteria: strict.yaml
scenario:
  conversation_messages:
    conversations: {source: file, path: pools/mine.csv}
    texts: {corpus: ~/texts.txt}
"""


def test_paths_in_a_file_begin_at_it_and_others_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    (tmp_path / "mine.yaml").write_text(PROFILE)
    (tmp_path / "strict.yaml").write_text("[unknown == 0]")

    settings = settings_of(
        "scenario.guest_messages.texts.corpus=here.txt",
        command_line={"load_profile": str(tmp_path / "mine.yaml")},
    )

    rule = settings.scenario["conversation_messages"]
    assert settings.target.ca_file == str(tmp_path / "ca.pem")
    assert settings.criteria[-1] == "unknown == 0"
    assert rule.conversations.path == str(tmp_path / "pools/mine.csv")
    assert settings.scenario["guest_messages"].texts.corpus == "here.txt"
    assert rule.texts.corpus == "/home/somebody/texts.txt"


@pytest.mark.parametrize(
    ("imported", "running"),
    [
        (["guest_messages"], ["guest_messages"]),
        (["guest_messages", "conversation_messages"], ["conversation_messages"]),
        (["of_my_own", "another"], ["another", "of_my_own"]),
    ],
    ids=["one that comes along", "the default one and another", "only own ones"],
)
def test_a_locustfile_need_not_import_what_runs_by_default(
    imported: list[str], running: list[str]
) -> None:
    settings = resolve(command_line={}, environ={}, known_scenarios=imported)

    assert list(settings.scenarios) == running


def test_a_scenario_that_a_profile_names_has_to_be_imported(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("scenarios: [elsewhere]\nscenario: {elsewhere: {weight: 2}}\n")

    faults = faults_of(command_line={"load_profile": str(profile)})

    assert [fault.split(":")[0].split(" ")[0] for fault in faults] == [
        "scenarios",
        "scenario.elsewhere",
    ]


@pytest.mark.parametrize("option", ["rate", "scenarios", "seed"])
def test_an_option_that_is_empty_means_the_profiles_whatever_a_variable_says(option: str) -> None:
    variable = {VARIABLE_BY_OPTION[option]: "guest_messages" if option == "scenarios" else "9"}
    values = [
        getattr(settings_of(command_line=given, environ=environ), option)
        for given, environ in (({}, {}), ({option: None}, variable), ({option: ""}, variable))
    ]

    assert values[0] == values[2] != values[1]


def test_the_stop_timeout_of_locust_is_a_setting() -> None:
    assert settings_of(command_line={"stop_timeout_s": 0}).stop_timeout_s == 0
    assert settings_of(command_line={"stop_timeout_s": None}).stop_timeout_s == 35
