"""What a QA engineer does in the web UI, in a browser that can reach nothing but this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import browser_page
from tests.locust_process import LocustProcess, free_port, target_at, wait_until
from tests.simulator_process import SimulatorProcess

UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0.2"]
NO_FAILURES = re.escape("share(failures[*]) < 1%0%pass")


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page() as page:
        yield page


@pytest.fixture
def api_port() -> int:
    return free_port()


@pytest.fixture
def locust(tmp_path: Path, api_port: int, page: Page) -> Iterator[LocustProcess]:
    """Locust with all fields of its form shown; it starts a simulator at that port for a run."""
    target = ["--target", str(target_at(tmp_path, api_port))]
    web = ["--web-host", "127.0.0.1", "--web-port", str(free_port())]
    with LocustProcess(tmp_path, *target, *web, *UNHURRIED) as process:
        page.goto(process.web_ui())
        page.get_by_role("button", name="Advanced options").click()
        page.get_by_role("button", name="Custom parameters").click()
        yield process
        # Without Locust its requests would fail, and say so in the console.
        page.close()


def test_form_and_verdict_are_shown_before_a_run_during_it_and_after_it(
    locust: LocustProcess, page: Page
) -> None:
    form = page.locator("form").evaluate("form => Object.fromEntries(new FormData(form))")
    start(page, run_time="8s")

    given = {"target": str(locust.folder / "embedded.yaml"), "loadProfile": "smoke"}
    empty = dict.fromkeys(("rate", "seed", "scenarios", "runTime"), "")
    assert form == form | given | empty
    expect(verdict(page)).to_have_text(re.compile(f"the runpass so far{NO_FAILURES}"))
    expect(verdict(page)).to_have_text(re.compile(f"the runpass{NO_FAILURES}"))
    at_the_end = verdict(page).inner_text()
    page.reload()
    expect(verdict(page)).to_have_text(at_the_end, use_inner_text=True)
    assert page.url.endswith("?tab=verdict")


def test_the_files_of_the_record_are_offered_after_a_run(locust: LocustProcess, page: Page) -> None:
    start(page, run_time="2s")
    expect(verdict(page)).to_have_text(re.compile("the runpass(?! so far)"))
    report = page.get_by_role("link", name="Open the report of run")

    expect(report).to_be_visible()
    with page.expect_popup() as opened:
        report.click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("smoke against simulator")
    expect(opened.value.locator("#rate canvas")).to_be_visible()
    page.get_by_role("tab", name="Download Data").click()
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Download summary.json").click()
    assert json.loads(downloaded.value.path().read_text())["verdict"] == "pass"
    said = page.request.get(f"{page.url.partition('?')[0]}convoy/record/.trial")
    assert (said.status, said.text()) == (404, ".trial: its record has no such")


@pytest.mark.parametrize(
    ("label", "entered", "complaint"),
    [
        ("Rate (", "many", "rate (--rate): is 'many', but should be a number, or max"),
        ("Profile", "stress", "profile: 'stress' would be Locust's label of the run"),
    ],
    ids=["rate that is no number", "profile where Locust has a label"],
)
def test_bad_input_shows_a_sentence_and_starts_nothing(
    locust: LocustProcess, page: Page, label: str, entered: str, complaint: str
) -> None:
    page.get_by_label(label, exact=label == "Profile").fill(entered)
    page.get_by_role("button", name="Start").click()

    expect(page.get_by_role("alert")).to_contain_text(complaint)
    expect(page.get_by_role("heading", name="Start new load test")).to_be_visible()
    assert not (locust.folder / "runs" / "latest").exists()


def test_failing_run_says_why(locust: LocustProcess, page: Page, api_port: int) -> None:
    with SimulatorProcess("--fault", "error=503:0.2", port=api_port):
        start(page, run_time="2s")

        why = r"the runshare\(failures\[\*\]\) < 1%: observed [\d.]+%fail(?! so far)"
        expect(verdict(page)).to_have_text(re.compile(why))


def test_edit_after_a_reload_changes_the_rate_and_a_refused_one_says_why(
    locust: LocustProcess, page: Page
) -> None:
    page.get_by_label("Load Profile").select_option("load")
    start(page, run_time="60s")
    expect(verdict(page)).to_have_text(re.compile(f"so far.*{NO_FAILURES}"))
    page.reload()

    edit_rate(page, "many")
    expect(page.get_by_role("status")).to_contain_text(
        re.compile("measuring, .* s left; .*the run was not changed: rate: 'many' is no number")
    )
    edit_rate(page, "7")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("tab", name="Verdict").click()

    expect(verdict(page)).to_have_text(re.compile(r"the runinterrupted: .*invalid(?! so far)"))
    summary = wait_until(locust.summary, locust.output)
    assert [change["rate_per_s"] for change in summary["changes"]] == [7]


def start(page: Page, run_time: str) -> None:
    page.get_by_label("Run time").fill(run_time)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("tab", name="Verdict").click()


def verdict(page: Page) -> Locator:
    return page.get_by_role("table")


def edit_rate(page: Page, rate: str) -> None:
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Custom parameters").click()
    page.get_by_label("Rate (").fill(rate)
    page.get_by_role("button", name="Update").click()
    expect(page.get_by_role("heading", name="Edit running load test")).to_be_hidden()
