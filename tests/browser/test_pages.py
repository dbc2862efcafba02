"""The pages there are, in a real browser: both themes, wide and narrow, with nothing fetched from anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import Hub

CHROMIUM = "/usr/bin/chromium"
SHOTS = Path(os.environ.get("SHOTS", ".local/shots"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"wide": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert Path(CHROMIUM).exists(), "install Chromium first (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "path", "heading"), [("home", "/", "Trunkline"), ("docs", "/api/docs/", "Trunkline API")]
)
def test_a_page_opens_without_errors_strangers_or_sideways_scrolling(
    hub: Hub, browser: Browser, name: str, path: str, heading: str, size: str, theme: str
) -> None:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda request: (
            troubles.append(request.url) if not request.url.startswith((hub.url, "data:")) else None
        ),
    )
    page.goto(hub.url + path, wait_until="networkidle")
    page.get_by_role("heading", name=heading).first.wait_for(timeout=15_000)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}-{size}-{theme}.png"))
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.close()
    assert troubles == []
    assert overflow <= 0


def test_the_home_page_leads_to_the_documentation_and_the_admin(hub: Hub, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(hub.url)
    links = {link.get_attribute("href") for link in page.get_by_role("link").all()}
    page.close()
    assert {"/api/docs/", "/admin/"} <= links
