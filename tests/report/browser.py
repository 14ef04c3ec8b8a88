"""A page in headless Chromium that records every complaint and lets no request leave the machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

OURS = ("file:", "data:", "blob:", "about:")
"""Schemes of requests that stay in the page."""

ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
"""WebGL without a graphics card, as any user."""


PATIENCE = 180_000
"""ms to wait for anything: a graphics card that is software is slow on a machine with other work."""


@dataclass
class Opened:
    """A page with what it has done."""

    page: Page
    errors: list[str] = field(default_factory=list)
    """Errors of the console, and exceptions that nobody caught."""
    requests: list[str] = field(default_factory=list)
    """Addresses that it asked for."""

    @property
    def foreign(self) -> list[str]:
        """Those of them that leave the page; they were not answered."""
        return [u for u in self.requests if not u.startswith(OURS)]


def chromium() -> str:
    """Return where Chromium is; `$CHROMIUM` tells if it is nowhere else."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROMIUM") or next((p for n in names if (p := shutil.which(n))), None)
    assert found, "no Chromium to look at the report with: run scripts/chromium, or set CHROMIUM"
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, file: Path, width: int = 1280, height: int = 900) -> Iterator[Opened]:
    """Open a file as a user would, and close it at the end."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE)
    context.set_default_navigation_timeout(PATIENCE)
    page = context.new_page()
    seen = Opened(page)

    def answer(route: Route) -> None:
        if route.request.url.startswith(OURS):
            route.continue_()
        else:
            route.abort()

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen.errors.append(message.text)

    page.route("**/*", answer)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("websocket", lambda socket: seen.requests.append(socket.url))
    page.on("console", complain)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.goto(file.as_uri())
    try:
        yield seen
    finally:
        context.close()
