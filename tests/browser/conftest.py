"""A page in a browser: Chromium is started once for all tests of a module that one process runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

DEADLINE_MS = 60_000
# Chromium asks its maker for updates by itself: no name is looked up for that, nor for a page.
OPTIONS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="module")  # longer, and its event loop would run while other tests do
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is missing; on Debian: apt-get install chromium", pytrace=False)
    expect.set_options(timeout=DEADLINE_MS)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=OPTIONS) as browser,
    ):
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page without memory; errors in its console, and requests to elsewhere, fail."""
    complaints: list[str] = []

    def check_console(line: ConsoleMessage) -> None:
        if line.type == "error":
            complaints.append(line.text)

    def check_address(request: Request) -> None:
        address = urlsplit(request.url)
        if address.hostname != "127.0.0.1" and address.scheme not in ("file", "blob", "data"):
            complaints.append(f"a request to {request.url}")

    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.on("console", check_console)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", check_address)
        yield page
    assert complaints == [], complaints
