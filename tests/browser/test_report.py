"""`report.html` in a browser: every chart drawn, nothing asked of a network, accessible."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.locust_process import Ended, run_locust
from tests.simulator_process import SimulatorProcess
from tests.unit.results import run_of
from tests.unit.results.test_html_report import HOSTILE, RUN, hostile_run, report_of

CHARTS = ("rate", "times", "errors", "load", "percentiles", "heat")
DRAWN = """ids => ids.filter(id => {
  const canvas = document.querySelector(`#${id} canvas`);
  const pixels = canvas?.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(pixels ? new Uint32Array(pixels.buffer) : []).size > 5;
})"""
"""Returns the charts on which there is more than one colour of text."""


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide, light", "phone, dark"])
def page(request: pytest.FixtureRequest, page: Page) -> Page:
    width, scheme = request.param
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    return page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """A real run with failures and replies of many lengths, and its report."""
    folder = tmp_path_factory.mktemp("run")
    with SimulatorProcess("--fault", "error=503:0.2", "--fault", "latency=30ms") as simulator:
        ended = run_locust(folder, "-H", simulator.url, "-t", "4s", "--set", "late_after_ms=4000")
    return ended, folder.resolve() / "runs" / "latest" / "report.html"


def shown(page: Page, folder: Path, content: str) -> Page:
    path = folder / "report.html"
    path.write_text(content, "utf-8")
    page.goto(path.as_uri())
    return page


def test_a_real_runs_report_is_whole(run: tuple[Ended, Path], page: Page) -> None:
    ended, path = run

    page.goto(path.as_uri())

    assert page.evaluate(DRAWN, CHARTS) == list(CHARTS)
    assert page.get_by_role("heading", level=1).inner_text() == "smoke against simulator"
    assert ended.run["verdict"] == "fail"
    assert page.locator(".badge").inner_text().lower() == "fail"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert path.stat().st_size < 2_000_000


def test_a_report_is_accessible(tmp_path: Path, page: Page) -> None:
    shown(page, tmp_path, report_of(RUN, "share(failures[*]) < 1%", "p95(response_time) < 2s"))

    found = Axe().run(page)

    serious = [
        each for each in found.response["violations"] if each["impact"] in ("serious", "critical")
    ]
    assert serious == [], found.generate_report()


def test_names_with_markup_are_text_and_run_nothing(tmp_path: Path, page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))

    shown(page, tmp_path, report_of(hostile_run()))
    page.locator("#errors .plot").hover()

    assert dialogs == []
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("body").inner_text()


def test_a_chart_without_anything_to_show_is_left_out(tmp_path: Path, page: Page) -> None:
    shown(page, tmp_path, report_of(run_of()))

    hidden = [id for id in CHARTS if not page.locator(f"#{id}").is_visible()]
    assert hidden == ["times", "errors", "percentiles", "heat"]


def test_the_colours_follow_the_system(tmp_path: Path, page: Page) -> None:
    shown(page, tmp_path, report_of(RUN))
    image = "document.querySelector('#rate canvas').toDataURL()"
    before = page.evaluate(image)

    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme="light" if is_dark else "dark")

    page.wait_for_function(f"before => {image} !== before", arg=before)
