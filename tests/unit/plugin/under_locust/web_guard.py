"""The guard of the web UI: who is answered, and what browsers may do with the answers."""

from __future__ import annotations

import re
import socket

import gevent
import pytest
from flask import Response
from gevent.pywsgi import WSGIServer
from werkzeug.test import TestResponse

from convoy.plugin.web_guard import HostNames
from convoy.plugin.web_login import Access
from tests.unit.plugin.web_client import HERE, Page

FORM = {"user_count": "10", "spawn_rate": "10", "target": "simulator", "load_profile": "smoke"}


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.mark.parametrize(
    ("bound", "host", "is_answered"),
    [
        ("127.0.0.1", "127.0.0.1:8089", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost:8089", True),
        ("127.0.0.1", "LocalHost", True),
        ("127.0.0.1", "[::1]:8089", True),
        ("127.0.0.1", "localhost:9000", True),
        ("127.0.0.1", "load.example:8089", True),
        ("127.0.0.1", "LOAD.example", True),
        ("127.0.0.1", "192.0.2.1:8089", False),
        ("127.0.0.1", socket.gethostname(), socket.gethostname() == "localhost"),
        ("127.0.0.1", "rebound.example:8089", False),
        ("127.0.0.1", "127.0.0.1.rebound.example", False),
        ("127.0.0.1", "localhost.rebound.example", False),
        ("127.0.0.1", "load.example.rebound.example", False),
        ("127.0.0.1", "rebound.example,127.0.0.1", False),
        ("127.0.0.1", "rebound.example@127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1:8089:80", False),
        ("127.0.0.1", "[::1", False),
        ("127.0.0.1", "2130706433", False),
        ("127.0.0.1", "", False),
        ("", "192.0.2.1:8089", True),
        ("", "[2001:db8::1]:8089", True),
        ("", socket.gethostname(), True),
        ("", "127.0.0.1:8089", True),
        ("", "rebound.example", False),
        ("0.0.0.0", "192.0.2.1", True),
        ("0.0.0.0", "rebound.example", False),
        ("master.example", "master.example:8089", True),
        ("master.example", "rebound.example", False),
    ],
)
def test_a_host_that_is_not_the_web_uis_own_is_refused(
    bound: str, host: str, is_answered: bool
) -> None:
    names = HostNames.of(bound, {"load.example"}, has_login=False)

    assert names.have(host) is is_answered


@pytest.mark.parametrize(
    ("bound", "host", "is_answered"),
    [
        ("127.0.0.1", "127.0.0.1:8089", True),
        ("127.0.0.1", "127.0.0.1:9000", True),
        ("127.0.0.1", "[::1]:9000", True),  # an address is one place, here a tunnel's end
        ("127.0.0.1", "load.example", True),
        ("127.0.0.1", "localhost:8089", False),
        ("127.0.0.1", "LOCALHOST", False),
        ("127.0.0.1", "a.localhost:8089", False),
        ("127.0.0.1", "given.localhost:8089", True),
        ("localhost", "localhost:8089", False),
        ("localhost", "127.0.0.1:8089", True),
        ("0.0.0.0", "localhost:8089", False),
        ("0.0.0.0", "192.0.2.1:8089", True),
        ("", "a.localhost", False),
    ],
)
def test_with_a_login_a_name_that_may_lead_to_another_user_has_to_be_given(
    bound: str, host: str, is_answered: bool
) -> None:
    """Whoever listens at ::1 is asked first by a browser, and gets what the name's cookies are."""
    names = HostNames.of(bound, {"load.example", "given.localhost"}, has_login=True)

    assert names.have(host) is is_answered


def test_a_name_that_was_let_point_here_reaches_nothing_of_the_web_ui() -> None:
    page = Page(access=Access(frozenset({"load.example"})))
    client = page.client(host="rebound.example:8089")

    answers = [client.open(rule, method=method) for rule, method, _ in _rules(page)]

    assert {answer.status_code for answer in answers} == {403}
    assert "'rebound.example:8089' is no name of this web UI" in answers[0].text
    assert answers[0].mimetype == "text/plain"
    assert page.did == []
    assert page.client(host="load.example").get("/").status_code == 200


ELSEWHERE = [
    pytest.param({"Origin": "http://elsewhere.example"}, id="another origin"),
    pytest.param({"Origin": "https://127.0.0.1:8089"}, id="another scheme"),
    pytest.param({"Origin": "null"}, id="an origin that is hidden"),
    pytest.param({"Origin": "http://[::1"}, id="an origin that is none"),
    pytest.param({"Origin": "http://127.0.0.1:8090"}, id="another port"),
    pytest.param({"Origin": "http://127.0.0.1:8089.elsewhere.example"}, id="a look-alike"),
    pytest.param({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, id="by metadata"),
    pytest.param({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, id="metadata, port"),
]


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_a_page_of_another_origin_reaches_nothing(page: Page, headers: dict[str, str]) -> None:
    client = page.client()
    before = page.options_as_they_are()

    answers = [
        client.open(rule, method=method, headers=headers, data=FORM if method == "POST" else None)
        for rule, method, _ in _rules(page)
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert page.did == []
    assert page.options_as_they_are() == before


PREFETCH = {
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Purpose": "prefetch",
}
"""What Chromium sends where a page's speculation rules ask for it, whatever the page."""
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("method", "mode", "dest", "status"),
    [
        ("GET", "navigate", "document", 200),
        ("GET", "navigate", "iframe", 403),
        ("GET", "no-cors", "script", 403),
        ("POST", "navigate", "document", 403),
    ],
)
def test_from_elsewhere_a_link_can_be_followed_and_nothing_else(
    page: Page, method: str, mode: str, dest: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}

    assert page.client().open("/", method=method, headers=headers).status_code == status


@pytest.mark.parametrize("headers", [LINK, PREFETCH], ids=["followed", "prefetched"])
def test_a_link_from_elsewhere_leads_to_pages_and_not_to_what_says_whether_it_is_there(
    headers: dict[str, str],
) -> None:
    """Whether a download begins, a page from elsewhere can tell."""
    page = Page("--web-base-path", "/load")

    def follow(address: str) -> int:
        return int(page.client().get(address, headers=headers).status_code)

    answered = {rule for rule, method, _ in _rules(page) if method == "GET" and follow(rule) < 400}

    assert answered == {"/load/", "/load/login", "/load/stats/report"}
    assert follow("/load") == 308  # to the page itself, which then is asked for with these headers
    assert follow("/load/stats/report?download=1") == follow("/load/stats/report?download") == 403
    assert follow("/load/nowhere") == follow("/load/convoy/record/none") == 403


@pytest.mark.parametrize(
    ("path", "headers", "is_answered"),
    [
        ("/convoy/record/summary.json", {}, False),
        ("/stats/requests/csv", {}, False),
        ("/stats/report?download=1", {}, False),
        ("/stats/requests/csv", {"Referer": "http://load.example:80899/"}, False),
        ("/stats/requests/csv", {"Referer": "http://load.example:8089.elsewhere/"}, False),
        ("/stats/requests/csv", {"Referer": "http://load.example:8089/?tab=data"}, True),
        ("/stats/requests/csv", {"Referer": "https://load.example:8089/"}, True),  # by a proxy
        ("/stats/requests/csv", {"Accept": "*/*"}, True),
        ("/", {}, True),
        ("/stats/report", {"Referer": "http://elsewhere.example/"}, True),
    ],
)
def test_without_metadata_a_browser_gets_a_file_by_a_link_of_the_web_uis_own(
    path: str, headers: dict[str, str], is_answered: bool
) -> None:
    """Browsers send none by plain http under a name, and no Referer where a page wants none."""
    client = Page(access=Access(frozenset({"load.example"}))).client(host="load.example:8089")

    answer = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"} | headers)

    assert (answer.status_code != 403) is is_answered


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a program"),
        pytest.param({"Origin": f"http://{HERE}"}, id="its own page"),
        pytest.param({"Origin": f"http://{HERE}", "Sec-Fetch-Site": "same-origin"}, id="by both"),
        pytest.param({"Sec-Fetch-Site": "none"}, id="typed by a person"),
    ],
)
def test_its_own_pages_and_programs_are_answered(page: Page, headers: dict[str, str]) -> None:
    client = page.client()

    assert client.get("/", headers=headers).status_code == 200
    assert client.post("/convoy/pause", headers=headers).status_code == 200
    assert client.post("/swarm", headers=headers, data=FORM).get_json()["message"] == (
        "it goes no further in this test"
    )
    assert page.did == ["pause", "prepare"]


@pytest.mark.parametrize(
    ("host", "own", "origin", "status"),
    [
        ("load.example", "http", "http://load.example", 200),
        ("load.example", "http", "https://load.example", 200),  # TLS ends in a proxy
        ("load.example:8089", "http", "HTTPS://Load.example:8089", 200),
        ("load.example", "http", "https://load.example:8443", 403),
        ("load.example", "http", "ftp://load.example", 403),
        (HERE, "https", f"https://{HERE}", 200),
        (HERE, "https", f"http://{HERE}", 403),
        ("load.example", "https", "http://load.example", 403),
    ],
)
def test_an_origin_has_the_scheme_of_the_web_ui_or_of_a_proxy_before_it(
    host: str, own: str, origin: str, status: int
) -> None:
    client = Page(access=Access(frozenset({"load.example"}))).client(host=host)

    answer = client.post(
        "/convoy/pause", headers={"Origin": origin}, environ_overrides={"wsgi.url_scheme": own}
    )

    assert answer.status_code == status


def test_what_changes_something_cannot_be_asked_for_by_a_link(page: Page) -> None:
    """A link is a GET, and those from a page of the web UI are answered."""
    changing = {"swarm", "stop", "reset_stats", "update_user", "convoy_pause", "convoy_resume"}

    by_a_link = {
        endpoint.removeprefix("locust.")
        for _, method, endpoint in _rules(page)
        if method in ("GET", "HEAD")
    }

    assert not changing & by_a_link
    assert changing <= {endpoint.removeprefix("locust.") for _, _, endpoint in _rules(page)}


def test_user_classes_cannot_be_changed(page: Page) -> None:
    settings = {"user_class_name": "Nobody", "weight": 7}

    answer = page.client().post("/user", json=settings)

    assert answer.status_code == 403
    assert page.environment.user_classes[0].weight == 1


@pytest.mark.parametrize("field", ["html_file", "stop_timeout", "set", "csv_prefix", "tls_key"])
def test_a_field_that_is_not_on_the_form_is_refused_and_sets_nothing(
    page: Page, field: str
) -> None:
    before = page.options_as_they_are()

    answer = page.client().post("/swarm", data={field: "/tmp/x", **FORM}).get_json()

    assert answer["success"] is False
    assert answer["message"].startswith(f"{field}: is no field of the form; there are: host, ")
    assert page.options_as_they_are() == before
    assert page.did == []


def test_the_form_takes_no_path_and_tells_nothing_of_the_file(page: Page) -> None:
    answer = page.client().post("/swarm", data=FORM | {"target": "/etc/passwd"}).get_json()

    assert answer["message"] == (
        "target: '/etc/passwd' is no name in config/targets; there are: genesys-cloud, simulator. "
        "A path is given when Convoy is started"
    )
    assert page.did == []


def test_several_faults_of_a_form_stand_apart_in_the_one_line_of_the_page(page: Page) -> None:
    answer = page.client().post("/swarm", data=FORM | {"user_count": "x", "spawn_rate": "y"})

    said = answer.get_json()["message"]
    assert "\n" not in said and "; spawn rate: is 'y'" in said


def test_a_path_that_was_given_at_the_start_stays_allowed() -> None:
    page = Page("--target", "/given/target.yaml")

    for _ in range(2):
        page.client().post("/swarm", data=FORM | {"target": "/given/target.yaml"})

    assert page.did == ["prepare"] * 2


def test_a_request_without_end_is_refused(page: Page) -> None:
    answer = page.client().post("/swarm", data=FORM | {"host": "x" * 1_000_000})

    in_pieces = page.client().post("/swarm", data=FORM, headers={"Transfer-Encoding": "chunked"})

    assert (answer.status_code, in_pieces.status_code) == (413, 411)
    assert page.did == []


@pytest.mark.parametrize(
    ("line", "statuses"),
    [
        ("Content-Length: 0", [b"200", b"200"]),
        ("Content-Length: 0\r\nOrigin: http://elsewhere.example", [b"403"]),
        ("Content-Length: 0\r\nSec-Fetch-Site: cross-site", [b"403"]),
        ("Transfer-Encoding: chunked", [b"411"]),
    ],
    ids=["its own", "a foreign origin", "a foreign page", "without a length"],
)
def test_what_comes_after_a_refused_request_is_not_read(
    page: Page, line: str, statuses: list[bytes]
) -> None:
    """A proxy may have taken it for the body of the first one, of which it read another length."""
    head = f"POST /convoy/pause HTTP/1.1\r\nHost: {HERE}\r\n{line}\r\n\r\n"
    body = "0\r\n\r\n" if "chunked" in line else ""
    second = f"POST /convoy/resume HTTP/1.1\r\nHost: {HERE}\r\nConnection: close\r\n\r\n"
    server = WSGIServer(("127.0.0.1", 0), page.app, log=None)
    server.start()

    with gevent.Timeout(10), socket.create_connection(server.address) as peer:
        peer.sendall((head + body + second).encode())
        with peer.makefile("rb") as answers:
            told = answers.read()

    server.stop()
    assert re.findall(rb"HTTP/1\.1 (\d+)", told) == statuses
    assert page.did == (["pause", "resume"] if len(statuses) == 2 else [])


def test_every_answer_forbids_what_no_page_here_needs(page: Page) -> None:
    answers = [page.client().open(rule, method=method) for rule, method, _ in _rules(page)] + [
        page.client().get("/nowhere")
    ]

    for answer in answers:
        assert _refused_to_others(answer)
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def _refused_to_others(answer: TestResponse) -> bool:
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    return not any(name.lower().startswith("access-control") for name, _ in headers)


@pytest.mark.parametrize(
    ("path", "headers", "forgotten"),
    [
        pytest.param("/", {}, '"cache"', id="a page with a script of Locust's"),
        pytest.param("/stats/report", {}, '"cache"', id="another one"),
        pytest.param("/stats/requests", {}, None, id="figures"),
        pytest.param(
            "/sw.js", {"Service-Worker": "script"}, '"cache", "storage"', id="a worker's script"
        ),
    ],
)
def test_what_another_user_left_in_the_browser_who_had_the_port_before_is_forgotten(
    page: Page, path: str, headers: dict[str, str], forgotten: str | None
) -> None:
    assert page.client().get(path, headers=headers).headers.get("Clear-Site-Data") == forgotten


def test_what_goes_wrong_inside_is_not_told(page: Page) -> None:
    """Locust switches Flask's debug mode on, and its CORS headers are on such answers as well."""
    page.app.add_url_rule("/broken", "broken", lambda: [][1])

    answer = page.client().get("/broken", headers={"Origin": f"http://{HERE}"})

    assert answer.status_code == 500
    assert "list index" not in answer.text and "Traceback" not in answer.text
    assert _refused_to_others(answer)


@pytest.mark.parametrize("rule", ["/", "/stats/report"])
def test_scripts_of_a_page_are_known_by_a_word_that_no_other_page_has(
    page: Page, rule: str
) -> None:
    page.environment.host = "http://x/</script><script>alert(1)</script>"
    first, second = (page.client().get(rule) for _ in range(2))

    words = [re.findall(r'nonce="([^"]+)"', each.text) for each in (first, second)]
    assert len(set(words[0])) == len(set(words[1])) == 1
    assert words[0][0] != words[1][0]
    assert f"script-src 'self' 'nonce-{words[0][0]}'; " in first.headers["Content-Security-Policy"]
    tags = re.findall(r"<script[^>]*>", first.text)
    assert [tag for tag in tags if "nonce" not in tag and "alert" in tag] == []


@pytest.mark.parametrize(
    "asked",
    [
        {"Range": "bytes=99999999-"},
        {"If-Modified-Since": "Sat, 01 Jan 99999999999 00:00:00 GMT"},
        {"If-Unmodified-Since": "Sat, 01 Jan 99999999999 00:00:00 GMT"},
        {"If-Range": "Sat, 01 Jan 99999999999 00:00:00 GMT", "Range": "bytes=0-"},
        {"If-None-Match": "*"},
    ],
    ids=str,
)
def test_nothing_is_asked_for_in_part_or_on_a_condition_so_that_no_wrong_one_is_logged(
    page: Page, asked: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    html = page.client().get("/").get_data(as_text=True)
    found = re.search(r"/?assets/[\w.-]+", html)
    assert found is not None

    asset = f"/{found[0].lstrip('/')}"
    with page.client().get(asset, headers=asked) as answer:
        assert answer.status_code == 200
    assert caplog.messages == []


def test_the_address_of_locusts_script_is_another_one_on_each_page(page: Page) -> None:
    """Whoever had the port before may have given the browser a script for one that it will ask."""
    pages = [page.client().get("/").text for _ in range(2)]

    [[first], [second]] = [re.findall(r'<script [^>]*src="\./([^"]+)"', each) for each in pages]
    assert first != second
    assert first.partition("?")[0] == second.partition("?")[0]
    with page.client().get(f"/{first}") as script:
        assert script.status_code == 200


def test_locusts_cached_figures_are_a_response_of_their_own_for_each_who_asks(page: Page) -> None:
    seen: list[Response] = []

    def see(response: Response) -> Response:
        seen.append(response)
        return response

    page.app.after_request_funcs[None].insert(0, see)
    for _ in range(2):
        page.client().get("/stats/requests")

    assert seen[0] is not seen[1]


def _rules(page: Page) -> list[tuple[str, str, str]]:
    """Every address of the app with its methods and endpoint, static files left out."""
    return [
        (re.sub(r"<[^>]+>", "summary.json", rule.rule), method, rule.endpoint)
        for rule in page.app.url_map.iter_rules()
        if rule.endpoint not in ("static", "locust.send_assets")
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]
