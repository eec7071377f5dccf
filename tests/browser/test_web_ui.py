"""What a QA engineer does in the web UI, in a browser that can reach nothing but this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from tests.locust_process import LocustProcess, free_port, target_at, wait_until
from tests.simulator_process import SimulatorProcess

UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0.2"]
LOGIN = {"CONVOY_WEB_USER": "operator", "CONVOY_WEB_PASSWORD": "correct horse battery"}
NO_FAILURES = re.escape("share(failures[*]) < 1%0%pass")


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


def test_after_a_run_the_record_is_offered_and_locusts_tabs_and_report_work(
    locust: LocustProcess, page: Page
) -> None:
    start(page, run_time="3s")
    expect(verdict(page)).to_have_text(re.compile("the runpass(?! so far)"))
    report = page.get_by_role("link", name="Open the report of run")

    expect(report).to_be_visible()
    with page.expect_popup() as opened:
        report.click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("smoke against simulator")
    expect(opened.value.locator("#rate canvas")).to_be_visible()
    opened.value.close()
    page.get_by_role("tab", name="Charts").click()
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_role("tab", name="Logs").click()
    expect(page.get_by_text("is prepared: profile smoke")).to_be_visible()
    page.get_by_role("tab", name="Download Data").click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Download Report").click()
    expect(opened.value.get_by_role("heading", name="Locust Test Report")).to_be_visible()
    opened.value.close()
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Download summary.json").click()
    assert json.loads(downloaded.value.path().read_text())["verdict"] == "pass"
    said = page.request.get(f"{page.url.partition('?')[0]}convoy/record/.trial")
    assert (said.status, said.text()) == (404, ".trial: its record has no such")


def test_how_the_last_run_ended_and_whose_report_there_is_are_shown(
    locust: LocustProcess, page: Page
) -> None:
    line = page.get_by_role("status")
    start(page, run_time="2s")
    expect(line).to_have_text(re.compile("^Run .* is over: PASS$"))
    first = line.inner_text().split()[1]
    page.get_by_role("link", name=f"Open the report of run {first}").is_visible()

    page.get_by_role("button", name="New").click()
    page.get_by_role("button", name="Advanced options").click()
    start(page, run_time="5s")

    before = page.get_by_role("link", name=f"Open the report of the run before, {first}")
    expect(before).to_be_visible()
    expect(line).to_have_text(re.compile("^Run .* is over: PASS$"))
    second = line.inner_text().split()[1]
    assert second != first
    expect(page.get_by_role("link", name=f"Open the report of run {second}")).to_be_visible()


def test_bad_input_shows_a_sentence_and_starts_nothing(locust: LocustProcess, page: Page) -> None:
    for label, entered, complaint in (
        ("Rate (", "many", "rate (--rate): is 'many', but should be a number, or max"),
        ("Profile", "stress", "profile: 'stress' would be Locust's label of the run"),
    ):
        page.get_by_label(label, exact=label == "Profile").fill(entered)
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("alert")).to_contain_text(complaint)
        page.get_by_label(label, exact=label == "Profile").fill("")

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


def test_while_a_run_is_prepared_the_page_says_what_for_and_start_can_not_be_pressed(
    locust: LocustProcess, page: Page, api_port: int
) -> None:
    button = page.get_by_role("button", name="Start")
    expect(button).to_be_enabled()
    with SimulatorProcess("--fault", "latency=4s", port=api_port) as simulator:
        button.click()

        expect(page.get_by_role("status")).to_have_text(
            re.compile(r"Waiting for .* since .*, for \d+ s by now, until .* at the latest\.")
        )
        expect(button).to_be_disabled()
        requests.delete(f"{simulator.url}/simulator/faults", timeout=30)
        expect(page.get_by_role("status")).to_contain_text("measuring, ")
        page.close()


GAME = """<body style="height: 100vh">Click as fast as you can!<script>
let clicks = 0;
addEventListener("click", () => { clicks += 1; if (clicks === 3) location = "THERE"; });
</script>"""


class _Hello(BaseHTTPRequestHandler):
    """A web server's page that says which cookies it gets.

    With an address in its query it is a game that leads there with the third click.
    """

    def do_GET(self) -> None:
        body = self.headers.get("Cookie", "").encode()
        if there := self.path.partition("?")[2]:
            body = GAME.replace("THERE", there).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of another origin's page; Chromium lets it ask other ports of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hello) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


READ = """
(ui) => Promise.all(["/", "/logs", "/exceptions", "/stats/requests", "/convoy/state"].map(
  (path) => fetch(ui + path).then((answer) => answer.text(), () => "not for you")))
"""
SUBMIT = """
([url, fields]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action: url});
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement("input"), {name, value}));
  }
  document.body.append(form);
  form.submit();
}
"""


def test_a_page_of_another_origin_can_neither_start_nor_stop_nor_read(
    locust: LocustProcess, page: Page, elsewhere: str
) -> None:
    ui = page.url.rstrip("/")
    target = str(locust.folder / "embedded.yaml")
    form = {"user_count": "10", "spawn_rate": "10", "target": target, "load_profile": "smoke"}
    foreign = page.context.new_page()

    def refused(path: str) -> bool:
        foreign.goto(elsewhere)
        with foreign.expect_navigation(url=ui + path) as answer:
            foreign.evaluate(SUBMIT, [ui + path, form])
        return answer.value.status == 403

    assert refused("/swarm")
    assert not (locust.folder / "runs" / "latest").exists()
    page.bring_to_front()
    start(page, run_time="60s")
    expect(verdict(page)).to_have_text(re.compile("so far"))
    foreign.bring_to_front()
    assert refused("/stop") and refused("/convoy/pause") and refused("/stats/reset")
    foreign.goto(elsewhere)
    assert foreign.evaluate(READ, ui) == ["not for you"] * 5
    page.bring_to_front()
    expect(page.get_by_role("status")).to_contain_text(re.compile("measuring, [1-9]"))


def test_who_clicks_on_a_page_that_leads_here_starts_nothing(
    locust: LocustProcess, page: Page, elsewhere: str
) -> None:
    ui = page.url
    page.goto(ui)
    box = page.get_by_role("button", name="Start").bounding_box()
    assert box is not None
    page.goto(f"{elsewhere}?{ui}")

    for _ in range(40):  # three there, and seconds of them here
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(100)

    expect(page.get_by_role("button", name="Start")).to_be_visible(timeout=5_000)
    assert "is prepared" not in locust.output()
    page.get_by_role("button", name="Advanced options").click()
    start(page, run_time="60s")
    expect(page.get_by_role("status")).to_contain_text(re.compile("measuring, [1-9]"))


def test_a_pointer_that_has_just_come_starts_nothing(locust: LocustProcess, page: Page) -> None:
    """As after a window that covered the page and is closed right before a click."""
    start_button = page.get_by_role("button", name="Start")
    page.goto(page.url)
    box = start_button.bounding_box()
    assert box is not None
    expect(page.locator("html")).not_to_have_attribute("data-convoy-waits", "")

    page.mouse.click(box["x"] + 5, box["y"] + 5)

    expect(page.locator("html")).to_have_attribute("data-convoy-waits", "")
    assert "is prepared" not in locust.output()


def test_a_window_that_shows_little_more_than_a_button_starts_nothing(
    locust: LocustProcess, page: Page, browser: Browser, elsewhere: str
) -> None:
    """As a page of another origin opens it, scrolled to the button."""
    with browser.new_context(no_viewport=True) as context:  # with one the screen is the window's
        opener = context.new_page()
        opener.goto(elsewhere)
        with opener.expect_popup() as opened:
            opener.evaluate("(url) => void open(url, '', 'popup,width=220,height=100')", page.url)
        small = opened.value
        start_button = small.get_by_role("button", name="Start")

        expect(small.get_by_role("status")).to_have_text("Make this window larger to send a form.")
        start_button.evaluate("(button) => button.form.requestSubmit()")

        expect(small.locator("html")).to_have_attribute("data-convoy-waits", "")
        assert "is prepared" not in locust.output()


def test_who_has_the_password_logs_in_runs_a_test_and_logs_out(
    tmp_path: Path, api_port: int, page: Page, elsewhere: str
) -> None:
    target = ["--target", str(target_at(tmp_path, api_port)), "--web-port", str(free_port())]
    with LocustProcess(tmp_path, *target, *UNHURRIED, "--web-login", environment=LOGIN) as locust:
        ui = locust.web_ui()
        # Its console says that the first answer was a 401, which would fail the test.
        trying = page.context.new_page()
        trying.goto(ui)
        log_in(trying, "not the password")
        expect(trying.get_by_role("alert")).to_have_text("User name or password is wrong.")

        page.goto(ui)
        expect(page.get_by_label("Username")).to_be_visible()
        log_in(page, LOGIN["CONVOY_WEB_PASSWORD"])
        page.get_by_role("button", name="Advanced options").click()
        start(page, run_time="2s")
        expect(verdict(page)).to_have_text(re.compile("the runpass(?! so far)"))
        with page.expect_popup() as opened:
            page.get_by_role("link", name="Open the report of run").click()
        heading = opened.value.get_by_role("heading", level=1)
        expect(heading).to_have_text("smoke against simulator")
        opened.value.close()
        page.close()
        # A web server on another port of this machine.
        trying.goto(elsewhere)
        assert trying.inner_text("body") == ""
        # A page that asks for figures while its session ends says that it got a 401, too.
        trying.goto(ui)
        trying.get_by_role("button", name="Log out").click()

        expect(trying.get_by_label("Username")).to_be_visible()
        trying.goto(ui)
        expect(trying.get_by_label("Username")).to_be_visible()


class _Before(BaseHTTPRequestHandler):
    """Another user's web server, which leaves a script and a service worker in the browser."""

    def do_GET(self) -> None:
        kind, body = "text/html", _PLANTS
        if self.path.endswith(".js"):
            kind, body = "text/javascript", _WORKER if self.path == "/worker.js" else _SCRIPT
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "max-age=31536000, immutable" * (body == _SCRIPT))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


_LOCUST = Path(str(find_spec("locust").origin)).parent  # type: ignore[union-attr]
[_ASSET] = [each.name for each in (_LOCUST / "webui/dist/assets").glob("*.js")]
_SCRIPT = "document.title = 'planted'"
_WORKER = """
self.addEventListener("activate", (event) => event.waitUntil(clients.claim()));
self.addEventListener("fetch", (event) => {
  const page = new Response("it is mine", {headers: {"Content-Type": "text/html"}});
  event.respondWith(event.request.method === "POST" ? page : fetch(event.request));
});
"""
_PLANTS = f"""
<script>
  navigator.serviceWorker.register("/worker.js", {{scope: "/"}});
  navigator.serviceWorker.ready.then(() => document.body.append("ready"));
</script>
<body><script type="module" crossorigin src="./assets/{_ASSET}"></script></body>
"""


def test_who_had_the_port_before_has_no_script_in_the_pages_of_the_web_ui(
    tmp_path: Path, simulator: SimulatorProcess, page: Page
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Before) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        expect(page.get_by_text("ready")).to_be_visible()
        expect(page).to_have_title("planted")
        server.shutdown()
    options = ["--web-port", str(server.server_port), "--web-login", "-H", simulator.url]
    with LocustProcess(tmp_path, *options, environment=LOGIN) as locust:
        page.goto(locust.web_ui())
        expect(page.get_by_label("Username")).to_be_visible()
        log_in(page, LOGIN["CONVOY_WEB_PASSWORD"])

        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        assert page.evaluate("navigator.serviceWorker.getRegistrations()") == []
        page.close()


def test_a_page_whose_session_is_over_asks_to_log_in_and_asks_nobody_for_a_page(
    tmp_path: Path, simulator: SimulatorProcess, page: Page
) -> None:
    """Whoever has the port by then would be asked."""
    options = ["--web-port", str(free_port()), "--web-login", "-H", simulator.url]
    with LocustProcess(tmp_path, *options, environment=LOGIN) as locust:
        # Their consoles say that they got a 401, which would fail the test.
        left_open, another = (page.context.new_page() for _ in range(2))
        left_open.goto(locust.web_ui())
        log_in(left_open, LOGIN["CONVOY_WEB_PASSWORD"])
        expect(left_open.get_by_role("button", name="Log out")).to_be_visible()
        another.goto(locust.web_ui())
        another.get_by_role("button", name="Log out").click()

        expect(left_open.get_by_role("status")).to_have_text("The session is over; log in again")
        left_open.get_by_role("link", name="log in again").click()
        expect(left_open.get_by_label("Username")).to_be_visible()
        left_open.close()
        another.close()


def log_in(page: Page, password: str) -> None:
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Login").click()


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
