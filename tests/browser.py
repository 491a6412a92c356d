"""A real browser for tests of pages: Debian's Chromium, which keeps to itself."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any

import pytest

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
)
PATIENCE = 120_000  # ms: tests run beside other work


@dataclass
class Visit:
    """A page that was opened. Attributes: requests: every address asked for; errors: its own."""

    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Browser:
    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium

    @contextmanager
    def visit(self, address: str, **options: Any) -> Iterator[Visit]:
        """Open a page in a fresh profile. Args: options: playwright's, such as color_scheme."""
        with self._chromium.new_context(**options) as context:
            visit = Visit(context.new_page())
            visit.page.set_default_timeout(PATIENCE)
            visit.page.on("request", lambda request: visit.requests.append(request.url))
            visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
            visit.page.on(
                "console",
                lambda said: visit.errors.append(said.text) if said.type == "error" else None,
            )
            visit.page.goto(address)
            yield visit


@contextmanager
def chromium() -> Iterator[Browser]:
    path = which("chromium")
    if path is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with tempfile.TemporaryDirectory() as home, playwright.sync_playwright() as started:
        environment = {"HOME": home, "PATH": str(Path(path).parent) + ":/usr/bin:/bin"}
        launched = started.chromium.launch(
            executable_path=path, args=[*QUIET], env=environment, chromium_sandbox=False
        )
        with launched:
            yield Browser(launched)
