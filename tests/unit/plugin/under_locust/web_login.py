"""The login of the web UI: nothing is answered or done without it, and it can be tried rarely."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import gevent
import pytest
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from convoy.errors import SettingsError
from convoy.plugin import web_login
from convoy.plugin.web_login import Access, Tries, WebLogin, read_access
from convoy.plugin.web_server import Server
from convoy.secrets import Redactor, Secret
from tests.unit.plugin.web_client import HERE, Browser, Page, parse

USER, PASSWORD = "operator", "correct horse battery"
GIVEN = {"CONVOY_WEB_USER": USER, "CONVOY_WEB_PASSWORD": PASSWORD}
FORM = {"user_count": "10", "spawn_rate": "10", "target": "simulator", "load_profile": "smoke"}
OPEN = {"locust.login", "convoy_log_in", "convoy_session", "locust.send_assets"}
SESSION = "/convoy/session"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash as ever, but with parameters that cost next to nothing."""
    cheap = partial(generate_password_hash, method="scrypt:1024:8:1")
    monkeypatch.setattr(web_login, "generate_password_hash", cheap)


@pytest.fixture
def page(clock: Clock) -> Page:
    login = WebLogin(USER, Secret(PASSWORD), clock)
    return Page("--web-login", access=Access(login=login))


def log_in(browser: Browser, user: str = USER, password: str = PASSWORD) -> TestResponse:
    answer: TestResponse = browser.post("/login", data={"username": user, "password": password})
    return answer


def session_of(browser: Browser) -> str:
    """Log in; return the address of the session."""
    address = log_in(browser).location
    assert address is not None
    return address


def copied(cookies: Browser, to: Browser, address: str) -> None:
    """Give a browser the cookie that another one has at the address of its session."""
    cookie = cookies.get_cookie("convoy_session_8089", domain="127.0.0.1", path=address)
    assert cookie is not None
    for path in ("/", address):
        to.set_cookie("convoy_session_8089", cookie.value, domain="127.0.0.1", path=path)


def said_on(answer: TestResponse) -> str:
    """What the page of the login says went wrong."""
    found = re.search(r'"error": "([^"]*)"', answer.text)
    return found[1] if found else ""


def every_request(page: Page) -> list[tuple[str, str, str]]:
    """Each address of the app by method and endpoint, also one that is not there."""
    rules = [
        (re.sub(r"<[^>]+>", "summary.json", rule.rule), method, rule.endpoint)
        for rule in page.app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
    ]
    return [*rules, ("/nowhere", "GET", ""), ("/swarm", "GET", "")]


def test_every_address_asks_for_the_login_and_nothing_happens_before_it(page: Page) -> None:
    """A route that a locustfile adds by itself is behind the login, too."""
    page.app.add_url_rule("/own", "own", lambda: page.did.append("own") or "own")
    before = page.options_as_they_are()

    answers = {
        (method, rule): page.client().open(rule, method=method, data=FORM, headers=headers)
        for rule, method, endpoint in every_request(page)
        if endpoint not in OPEN
        for headers in ({}, {"Accept": "text/html", "Sec-Fetch-Site": "none"})
    }

    assert len(answers) > 40
    assert {answer.status_code for answer in answers.values()} <= {302, 401}
    assert {answer.location for answer in answers.values()} == {None, SESSION}
    assert ("GET", "/own") in answers and ("POST", "/swarm") in answers
    assert page.did == []
    assert page.options_as_they_are() == before


def test_a_session_that_was_not_given_here_is_none(page: Page, clock: Clock) -> None:
    other = Page("--web-login", access=Access(login=WebLogin(USER, Secret(PASSWORD), clock)))
    browser, foreign = other.client(), page.client()
    address = session_of(browser)
    copied(browser, foreign, address)

    assert foreign.get(f"{address}stats/requests").status_code == 401


def test_after_the_login_everything_is_there(page: Page) -> None:
    browser = page.client()

    answer = log_in(browser)

    at = str(answer.location)
    assert answer.status_code == 303
    assert "Log out" in browser.get(at).text
    assert browser.get(f"{at}logs").status_code == 200
    assert browser.post(f"{at}convoy/pause").status_code == 200
    browser.post(f"{at}swarm", data=FORM)
    assert page.did == ["pause", "prepare"]


def test_of_the_cookies_that_are_sent_none_of_others_is_parsed(page: Page) -> None:
    """Those of every other port come along, and who likes sends what takes a parser long."""
    of_blanks = f'a={" " * 60_000}"'
    answer = log_in(page.client())
    own, at = answer.headers["Set-Cookie"].partition(";")[0], answer.location
    began_s = time.process_time()

    stranger = Browser(page.app, use_cookies=False)  # else it sends those that it got alone
    stranger.host, stranger.environ_base["REMOTE_ADDR"] = HERE, "127.0.0.1"
    refused = stranger.get("/login", headers={"Cookie": of_blanks})
    let_in = stranger.get(f"{at}logs", headers={"Cookie": f"{of_blanks}; b=1;{own}; c"})

    assert time.process_time() - began_s < 2
    assert (refused.status_code, let_in.status_code) == (200, 200)


def test_the_cookie_goes_to_no_address_that_another_web_server_knows(page: Page) -> None:
    """A browser sends it to each port of the host, but below its path alone."""
    cookies = [log_in(page.client()).headers["Set-Cookie"] for _ in range(2)]

    paths = {re.search("; Path=([^;]*)", each)[1] for each in cookies}  # type: ignore[index]
    assert len(paths) == 2
    assert all(re.fullmatch(r"/[\w-]{22}/", each) for each in paths)


def test_the_login_has_the_browser_forget_what_others_left_there_but_not_before_it_looked(
    page: Page,
) -> None:
    """The address of the session is in the browser's storage, and so is a service worker."""
    browser = page.client()

    pages = [browser.get(SESSION), browser.get("/login"), log_in(browser, password="wrong")]

    assert [each.headers["Clear-Site-Data"] for each in pages] == [
        '"cache"',
        '"cache", "storage"',
        '"cache", "storage"',
    ]
    assert re.findall("<script[^>]*>", pages[0].text) != []
    for tag in re.findall("<script[^>]*>", pages[0].text):
        assert tag.split('"')[1] in pages[0].headers["Content-Security-Policy"]


def test_under_the_name_that_another_user_may_have_too_nobody_can_log_in(page: Page) -> None:
    browser = page.client(host="localhost:9000")

    answers = [browser.get("/"), browser.get("/login"), log_in(browser)]

    assert [each.status_code for each in answers] == [403] * 3
    assert {each.text for each in answers} == {
        "'localhost:9000' may lead to another user of this machine as well, who would get the "
        "session; log in at http://127.0.0.1:9000/"
    }
    assert not any(each.headers.getlist("Set-Cookie") for each in answers)
    assert log_in(page.client()).status_code == 303


def test_the_cookie_without_its_address_and_the_address_without_its_cookie_are_nothing(
    page: Page,
) -> None:
    browser, thief = page.client(), page.client()
    address, another = session_of(browser), session_of(page.client())
    copied(browser, thief, address)

    assert thief.get("/logs").status_code == 401
    assert thief.get(f"{another}logs").status_code == 401
    assert page.client().get(f"{address}logs").status_code == 401
    said = page.client().get(address, headers={"Accept": "text/html"})
    assert (said.status_code, said.location) == (302, SESSION)


def test_a_cookie_that_flask_login_would_take_elsewhere_is_none(page: Page) -> None:
    browser = page.client()
    place = session_of(browser).strip("/")
    browser.set_cookie("remember_token", f"{place}|{'0' * 128}", domain="127.0.0.1")

    assert browser.get("/logs").status_code == 401


def test_the_login_is_below_the_base_path() -> None:
    login = WebLogin(USER, Secret(PASSWORD))
    page = Page("--web-login", "--web-base-path", "/load", access=Access(login=login))
    browser = page.client()

    said = browser.get("/load/", headers={"Accept": "text/html"})
    answer = browser.post("/load/login", data={"username": USER, "password": PASSWORD})

    assert (said.status_code, said.location) == (302, "/load/convoy/session")
    assert '"username_password_callback": "/load/login"' in browser.get("/load/login").text
    assert answer.status_code == 303
    assert re.fullmatch(r"/load/[\w-]{22}/", str(answer.location))
    assert f"Path={answer.location};" in answer.headers["Set-Cookie"]
    assert browser.get(answer.location).status_code == 200


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (USER, "wrong"),
        ("somebody", PASSWORD),
        ("", ""),
        (USER, PASSWORD.upper()),
        (USER, PASSWORD + "."),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), PASSWORD),
        (USER, "x" * 10_000),
    ],
    ids=["password", "user", "neither", "case", "more of it", "no text", "length"],
)
def test_a_wrong_word_is_told_on_the_page_and_opens_nothing(
    page: Page, user: str, password: str
) -> None:
    browser = page.client()

    answer = log_in(browser, user, password)

    assert answer.status_code == 401
    assert said_on(answer) == "User name or password is wrong."
    assert browser.get("/stats/requests").status_code == 401
    assert said_on(browser.get("/login")) == ""


def test_the_sixth_try_within_a_minute_is_refused_also_with_the_right_words(
    page: Page, clock: Clock
) -> None:
    browser, elsewhere = page.client(), page.client(address="192.0.2.7")
    for _ in range(5):
        log_in(browser, password="wrong")
        clock.now_s += 1

    sixth = log_in(browser)
    from_elsewhere = log_in(elsewhere)
    clock.now_s += 55.5
    later = log_in(browser)

    assert sixth.status_code == 429
    assert said_on(sixth) == (
        "There were 5 tries within a minute from your address; try again in 55 s."
    )
    assert (from_elsewhere.status_code, later.status_code) == (303, 303)


def test_addresses_of_one_machine_count_together_and_are_forgotten(clock: Clock) -> None:
    tries = Tries(clock)

    waits = [tries.wait_s(f"2001:db8::{number}") for number in range(6)]
    of_others = [tries.wait_s(f"2001:db8:0:{number}::1") for number in range(1, 500)]
    mapped = [tries.wait_s(each) for each in ["192.0.2.1", "::ffff:192.0.2.1"] * 3]
    clock.now_s += 60

    assert waits == [0, 0, 0, 0, 0, 60]
    assert set(of_others) == {0}
    assert mapped == [0, 0, 0, 0, 0, 60]
    assert tries.wait_s("192.0.2.1") == 0
    assert len(tries._made) == 1


def test_addresses_by_which_a_machine_reaches_itself_count_together(clock: Clock) -> None:
    """Any user of a machine may send from each of 127.0.0.0/8."""
    tries = Tries(clock)
    own = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.1.2.3", "127.9.9.9", "127.0.0.2"]

    assert [tries.wait_s(each) for each in own] == [0, 0, 0, 0, 0, 60]


def test_one_try_at_a_time_is_checked(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    at_once: list[int] = []

    def check(*_: str) -> bool:
        return may_end.wait(10)

    def try_meanwhile() -> None:
        for number in range(20):
            at_once.append(log_in(page.client(address=f"192.0.2.{number}")).status_code)
        may_end.set()

    monkeypatch.setattr(web_login, "check_password_hash", check)

    meanwhile = gevent.spawn_later(0, try_meanwhile)
    first = log_in(page.client())
    meanwhile.join()

    assert first.status_code == 303
    assert at_once == [429] * 20
    assert log_in(page.client(address="192.0.2.1")).status_code == 303


def test_however_many_tries_fail_the_log_has_a_line_in_ten_seconds(
    page: Page, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        log_in(page.client(address=f"192.0.2.{number // 5}"), password="wrong")
        log_in(page.client(address="198.51.100.1"), password="wrong")
    clock.now_s += 10
    log_in(page.client(address="192.0.2.200"), password="wrong")

    assert caplog.messages == [
        "a try from 192.0.2.0 to log in to the web UI failed",
        "a try from 198.51.100.1 to log in to the web UI was refused, because there were too many",
        "a try from 192.0.2.200 to log in to the web UI failed (and 104 times since this was last "
        "said)",
    ]


def test_a_login_begins_the_count_again(page: Page) -> None:
    browser = page.client()
    for _ in range(3):
        for _ in range(4):
            log_in(browser, password="wrong")

        assert log_in(browser).status_code == 303


def test_logging_out_ends_the_session_for_every_copy_of_its_cookie(page: Page) -> None:
    browser, thief = page.client(), page.client()
    address = session_of(browser)
    copied(browser, thief, address)
    assert thief.get(f"{address}logs").status_code == 200

    answer = browser.post(f"{address}convoy/logout")

    assert (answer.status_code, answer.location) == (303, "/login")
    assert browser.get(f"{address}logs").status_code == 401
    assert thief.get(f"{address}logs").status_code == 401


def test_a_session_ends_by_itself(page: Page, clock: Clock) -> None:
    browser = page.client()
    address = session_of(browser)
    clock.now_s += 12 * 3600 - 1
    before = browser.get(f"{address}logs").status_code
    clock.now_s += 1

    assert (before, browser.get(f"{address}logs").status_code) == (200, 401)


@pytest.mark.parametrize("claimed", [{}, {"X-Forwarded-For": "127.0.0.1"}], ids=["", "forwarded"])
def test_a_copied_cookie_does_not_count_from_another_browser(
    page: Page, claimed: dict[str, str]
) -> None:
    browser, thief = page.client(), page.client(address="192.0.2.7")
    address = session_of(browser)
    copied(browser, thief, address)

    assert thief.get(f"{address}logs", headers=claimed).status_code == 401
    thief.environ_base["REMOTE_ADDR"] = "127.0.0.1"
    assert thief.get(f"{address}logs", headers={"User-Agent": "another"}).status_code == 401
    assert thief.get(f"{address}logs").status_code == 200


@pytest.mark.parametrize(
    "tls", [[], ["--tls-cert", "c.pem", "--tls-key", "k.pem"]], ids=["", "tls"]
)
def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_connections(tls: list[str]) -> None:
    page = Page("--web-login", *tls, access=Access(login=WebLogin(USER, Secret(PASSWORD))))

    cookie = log_in(page.client()).headers["Set-Cookie"]

    assert "; HttpOnly" in cookie and "; SameSite=Strict" in cookie
    assert ("; Secure" in cookie) is bool(tls)
    assert PASSWORD not in cookie and USER not in cookie


def test_no_answer_but_the_logins_hands_out_a_cookie(page: Page) -> None:
    """Locust answers all who ask for figures within two seconds with one response."""
    browser = page.client()
    address = session_of(browser)

    answers = [browser.get(f"{address}stats/requests") for _ in range(3)]
    answers += [browser.get(address), browser.get("/login"), log_in(browser, password="wrong")]

    assert [each.status_code for each in answers] == [200, 200, 200, 200, 200, 401]
    assert [each.headers.getlist("Set-Cookie") for each in answers] == [[]] * 6


def test_one_try_at_a_time_is_checked_though_their_words_come_together(page: Page) -> None:
    body = b"username=a&password=b"
    server = Server(("127.0.0.1", 0), page.app, None)
    server.start()
    port = server.address[1]
    head = (
        f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with gevent.Timeout(20), ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(server.address)) for _ in range(4)]
        for peer in peers:
            peer.sendall(head.encode())
        gevent.sleep(0.1)
        for peer in peers:
            peer.sendall(body)
        statuses = [peer.recv(12)[-3:] for peer in peers]
    server.stop()

    assert sorted(statuses) == [b"401", b"429", b"429", b"429"]


def test_another_origin_cannot_even_try(page: Page) -> None:
    browser = page.client()
    words = {"username": USER, "password": PASSWORD}

    answer = browser.post("/login", data=words, headers={"Origin": "http://elsewhere.example"})

    assert answer.status_code == 403
    own = {"Origin": f"http://{HERE}", "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/login", data=words, headers=own).status_code == 303


def test_the_password_is_nowhere_in_the_login_and_hidden_in_what_is_printed() -> None:
    redactor = Redactor()

    login = read_access(parse("--web-login"), GIVEN, redactor).login

    assert login is not None
    assert PASSWORD not in str(vars(login))
    assert PASSWORD not in redactor.redact(f"it is {PASSWORD}")


@pytest.mark.parametrize(
    ("options", "environ", "complaint"),
    [
        (["--web-login"], {}, "CONVOY_WEB_USER: --web-login needs it; set CONVOY_WEB_USER or"),
        (
            ["--web-login"],
            {"CONVOY_WEB_USER": "me"},
            "CONVOY_WEB_PASSWORD: --web-login needs it; set",
        ),
        (
            ["--web-login"],
            {"CONVOY_WEB_PASSWORD": PASSWORD},
            "CONVOY_WEB_USER: --web-login needs it",
        ),
        (
            ["--web-login"],
            {"CONVOY_WEB_USER": "me", "CONVOY_WEB_PASSWORD": "hunter2"},
            "CONVOY_WEB_PASSWORD: should have at least 12 characters",
        ),
        (
            ["--web-login"],
            {"CONVOY_WEB_USER": "me", "CONVOY_WEB_PASSWORD_FILE": "/nowhere"},
            "CONVOY_WEB_PASSWORD_FILE: the file that it names in '/' cannot be read",
        ),
        ([], {"CONVOY_WEB_PASSWORD": PASSWORD}, "CONVOY_WEB_PASSWORD: is given, but without"),
        ([], {"CONVOY_WEB_PASSWORD_FILE": "x"}, "CONVOY_WEB_PASSWORD: is given, but without"),
        ([], {"CONVOY_WEB_HOSTS": "*"}, "CONVOY_WEB_HOSTS: has '*'"),
        ([], {"CONVOY_WEB_HOSTS": "a.example, http://b"}, "CONVOY_WEB_HOSTS: has 'http://b'"),
        ([], {"CONVOY_WEB_HOSTS": "a.example:80"}, "CONVOY_WEB_HOSTS: has 'a.example:80'"),
    ],
)
def test_a_login_that_would_be_none_is_refused_in_a_sentence(
    options: list[str], environ: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_access(parse(*options), environ, Redactor())

    said = str(refused.value)
    assert said.startswith(complaint)
    assert PASSWORD not in said and "hunter2" not in said


@pytest.mark.parametrize("options", [["--headless"], ["--worker"], ["--worker", "--web-login"]])
def test_processes_without_a_web_ui_need_no_login(options: list[str]) -> None:
    assert read_access(parse(*options), {"CONVOY_WEB_HOSTS": "*"}, Redactor()) == Access()


def test_the_password_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    environ = {"CONVOY_WEB_USER": USER, "CONVOY_WEB_PASSWORD_FILE": str(tmp_path / "password")}

    access = read_access(parse("--web-login", "--headless", "--headful"), environ, Redactor())

    assert log_in(Page("--web-login", access=access).client()).status_code == 303


def test_names_of_hosts_are_separated_by_commas() -> None:
    access = read_access(parse(), {"CONVOY_WEB_HOSTS": " A.example ,b,, [2001:db8::1]"}, Redactor())

    assert access.hosts == {"a.example", "b", "2001:db8::1"}
