"""A new route is a line of the catalogue, a schema, a template and a scenario; nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.locust_process import Ended, run_locust
from tests.test_guide import payloads_of, run_convoy

COPIED = ("config", "payloads", "scenarios", "locustfile.py", "pyproject.toml")
SCHEMA = {
    "type": "object",
    "required": ["shop", "message"],
    "properties": {
        "shop": {"description": "whose order it is", "x-variable": ["shop_id"]},
        "message": {
            "description": "what is said",
            "required": ["text"],
            "properties": {
                "text": {
                    "type": "string",
                    "x-marker": True,
                    "x-max-bytes": 100,
                    "x-change": "Put up to 100 bytes into `message.text`.",
                }
            },
        },
    },
}
TEMPLATE = '{"shop": {{ shop_id | tojson }}, "message": {"text": {{ marker | tojson }}}}'
PATH = "/api/v2/shops/{shop_id}/orders/{conversation_id}"
SCENARIO = '''"""Scenario `orders`: what customers write about their orders."""

from __future__ import annotations

from pathlib import Path

from locust import task

from convoy.plugin.message_user import MessageUser
from convoy.routes.catalogue import ROUTES, Route


class Orders(MessageUser):
    """Writes about an order."""

    scenario = "orders"
    route = ROUTE

    @task
    def write(self) -> None:
        self.post(self.next_message())
'''
PROFILE = """scenarios: [orders]
rate: 20
users: 4
run_time_s: 2
warm_up_s: 0
late_after_ms: 4000
limits: []
scenario:
  orders:
    payloads: {orders/text: 1}
    variables: {shop_id: a b}
    conversations: {source: inline, ids: [o-1, o-2]}
"""
IN_THE_CATALOGUE = 'ROUTES["orders"]'
OF_ITS_OWN = f'Route("orders", "{PATH}", schema=Path(__file__).with_name("orders.schema.json"))'


class Shop(BaseHTTPRequestHandler):
    """Logs everybody in, and takes orders of the shop `a b`."""

    protocol_version = "HTTP/1.1"
    taken: list[tuple[str, Any]]

    def do_GET(self) -> None:
        self._answer(200, {})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/oauth/token":
            self._answer(200, {"access_token": "token", "expires_in": 3600})
            return
        self.taken.append((self.path, json.loads(content)))
        self._answer(200, {"id": f"m-{len(self.taken)}"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def shop() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """A server of the new route: its address, and what it has taken."""
    handler = type("Shop", (Shop,), {"taken": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def built(repository: Path, folder: Path, route: str) -> Path:
    """A copy of the tree with the route added, in the catalogue or beside its scenario.

    Only the former has a `convoy` of its own; with that of the repository, programs are forked.
    """
    for name in COPIED if route == OF_ITS_OWN else (*COPIED, "convoy"):
        copy = shutil.copytree if (repository / name).is_dir() else shutil.copyfile
        copy(repository / name, folder / name)
    (folder / "payloads" / "orders").mkdir()
    (folder / "payloads" / "orders" / "text.json").write_text(TEMPLATE)
    (folder / "scenarios" / "orders.py").write_text(SCENARIO.replace("ROUTE\n", f"{route}\n"))
    (folder / "config" / "orders.yaml").write_text(PROFILE)
    schemas = folder / "scenarios" / "orders.schema.json"
    if route == IN_THE_CATALOGUE:
        schemas = folder / "convoy" / "routes" / "schemas" / "orders.json"
        catalogue = folder / "convoy" / "routes" / "catalogue.py"
        table = catalogue.read_text().replace(
            "    for route in (\n", f'    for route in (\n        Route("orders", "{PATH}"),\n', 1
        )
        catalogue.write_text(table)
    schemas.write_text(json.dumps(SCHEMA))
    locustfile = (folder / "locustfile.py").read_text()
    listed = "from scenarios.orders import Orders as Orders\nfrom scenarios.conversation_messages"
    replaced = locustfile.replace("from scenarios.conversation_messages", listed, 1)
    (folder / "locustfile.py").write_text(replaced)
    return folder


def run(folder: Path, url: str, *options: str) -> Ended:
    profile = ["--load-profile", str(folder / "config" / "orders.yaml"), "-H", url]
    locustfile = ["-f", str(folder / "locustfile.py")]
    has_convoy = (folder / "convoy").exists()
    place = {"PYTHONPATH": str(folder)} if has_convoy else payloads_of(folder)
    return run_locust(folder, *locustfile, *profile, *options, environment=place)


@pytest.mark.parametrize("route", [IN_THE_CATALOGUE, OF_ITS_OWN], ids=["catalogue", "its own"])
def test_a_run_on_a_new_route_is_taken(repository: Path, tmp_path: Path, route: str) -> None:
    folder = built(repository, tmp_path, route)

    with shop() as (url, taken):
        ended = run(folder, url)

    figures = ended.run["scenarios"]["orders"]
    assert ended.exit_code == 0, ended.output
    assert figures["accepted"] == figures["scheduled"] == 40
    assert len(taken) == 41
    assert {path for path, _ in taken} == {f"/api/v2/shops/a%20b/orders/o-{n}" for n in (1, 2)}
    assert {body["shop"] for _, body in taken} == {"a b"}
    assert len({body["message"]["text"] for _, body in taken}) == 41


@pytest.mark.parametrize("route", [IN_THE_CATALOGUE, OF_ITS_OWN], ids=["catalogue", "its own"])
def test_a_template_that_breaks_a_rule_of_a_new_route_is_refused_with_its_field(
    repository: Path, tmp_path: Path, route: str
) -> None:
    folder = built(repository, tmp_path, route)
    wrong = TEMPLATE.replace("{{ marker", '{{ (marker ~ "x" * 100)').replace("shop_id", "k")
    (folder / "payloads" / "orders" / "text.json").write_text(wrong)

    with shop() as (url, taken):
        ended = run(folder, url)

    assert ended.exit_code == 2, ended.output
    assert "orders/text.json, line 1, field shop: `shop` is" in ended.output
    assert "field message.text: `message.text` is" in ended.output
    assert "Put up to 100 bytes into `message.text`." in ended.output
    assert taken == []


def test_one_message_of_a_new_route_can_be_sent(repository: Path, tmp_path: Path) -> None:
    folder = built(repository, tmp_path, OF_ITS_OWN)
    profile = ["--load-profile", str(folder / "config" / "orders.yaml")]

    with shop() as (url, taken):
        sent = run_convoy(folder, "send", *profile, "-H", url)

    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert [path for path, _ in taken] == ["/api/v2/shops/a%20b/orders/o-1"]
