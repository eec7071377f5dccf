"""Convoy in Locust's web UI: where its own pages are, and the rows of the tab with the verdict."""

from __future__ import annotations

import pytest

from convoy.plugin.web_form import Form
from convoy.plugin.webui import verdict_rows
from convoy.results.summary import summarise
from convoy.results.verdict import judge
from tests.unit.plugin.web_client import Page
from tests.unit.results import counts_of, result_of


@pytest.mark.parametrize(
    ("options", "below"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["--web-base-path", "/load"], "/load", id="one"),
        pytest.param(["--web-base-path", "/load/"], "/load", id="with a slash at its end"),
        pytest.param(["--web-base-path", "/tests/load"], "/tests/load", id="of two parts"),
        pytest.param(["--web-base-path", "/"], "", id="a slash"),
    ],
)
def test_what_is_convoys_own_is_below_the_base_path(options: list[str], below: str) -> None:
    browser = Page(*options).client()
    page = browser.get(f"{below}/").text

    assert 'fetch("./convoy/state")' in page
    assert 'href = "./convoy/record/report.html"' in page
    assert '"href": "./convoy/record/report.html"' in page
    assert browser.get(f"{below}/convoy/state").json["line"] == ""
    said = browser.get(f"{below}/convoy/record/report.html")
    assert said.text == "report.html: there is no run that is over"
    assert browser.post(f"{below}/convoy/pause").json["success"]
    assert browser.post(f"{below}/convoy/resume").json["success"]
    assert below == "" or browser.get("/convoy/state").status_code == 404


def test_the_page_shows_the_address_of_the_run_that_goes_on() -> None:
    page = Page("--host", "http://127.0.0.1:8")
    page.environment.host = "http://127.0.0.1:8"
    before = page.client().get("/").text

    page.controller.address = "http://127.0.0.1:9"

    assert '"host": "http://127.0.0.1:8"' in before
    assert '"host": "http://127.0.0.1:9"' in page.client().get("/").text


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_only_a_post_does_anything(method: str) -> None:
    """It is asked while a run is prepared, too: that one goes on."""
    form = {"user_count": "10", "spawn_rate": "10", "target": "simulator", "load_profile": "smoke"}

    def ask_for_all() -> list[str]:
        rules = [rule.rule for rule in page.app.url_map.iter_rules() if "<" not in rule.rule]
        for rule in rules:
            page.client().open(rule, method=method, data=form)
        return rules

    def prepare(_: Form) -> None:
        page.did.append("prepare")
        ask_for_all()

    page = Page(prepare=prepare)

    assert {"/swarm", "/stop", "/convoy/pause"} <= set(ask_for_all())
    assert page.did == []
    page.client().post("/swarm", data=form)
    assert page.did == ["prepare", "line up"]
    assert page.kill_switch.reason == ""


def test_the_tab_holds_the_verdict_before_any_criterion() -> None:
    result = result_of(conversation_messages=counts_of(accepted=5))
    summary = summarise(result, judge(result, (), "fail"))

    [so_far] = verdict_rows(summary, is_over=False)
    [final] = verdict_rows(summary, is_over=True)

    assert (so_far["criterion"], so_far["verdict"], final["verdict"]) == (
        "the run",
        "pass so far",
        "pass",
    )
    assert verdict_rows(None, is_over=True) == []
