"""Pages of the Prefect UI in a real browser, which tells of everything that goes wrong in them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = "MEMDEC_SCREENSHOTS"
"""Environment variable with the folder where screenshots are kept."""

_NOT_OURS = re.compile(r"Failed to load resource|amplitude")
"""What Prefect's own pages ask for in vain: icons, a filter, their makers' statistics."""


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """The distribution's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(browser: "Browser") -> Iterator["Page"]:
    """A page that fails at its end for any error in its scripts; it reaches this machine alone.

    Pictures that do not load are for `broken_pictures`.
    """
    problems: list[str] = []
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.route(re.compile("amplitude"), lambda route: route.abort())
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.extend(_errors(message)))
    yield page
    page.close()
    if problems:
        raise AssertionError(f"errors in the browser: {problems}")


def _errors(message: "ConsoleMessage") -> Iterator[str]:
    if message.type == "error" and not _NOT_OURS.search(message.text):
        yield message.text


def whole_page(page: "Page") -> None:
    """Makes the window as high as what scrolls in it, so that a screenshot shows all of it."""
    page.wait_for_load_state("networkidle")
    heights = "[...document.querySelectorAll('*')].map(element => element.scrollHeight)"
    height = int(page.evaluate(f"Math.max(...{heights})"))
    page.set_viewport_size({"width": 1400, "height": min(height, 6000)})
    page.wait_for_timeout(500)


def keep_screenshot(page: "Page", name: str, folder: Path) -> None:
    """Saves what is seen, in the folder that the environment names, else in the given one."""
    kept = Path(os.environ.get(SCREENSHOTS, folder))
    kept.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=kept / f"{name}.png")
    page.set_viewport_size({"width": 1400, "height": 1000})


def broken_pictures(page: "Page") -> list[str]:
    """Addresses of pictures that did not load."""
    loaded = "image.complete && image.naturalWidth > 0"
    broken = f"[...document.images].filter(image => image.src && !({loaded}))"
    found: list[str] = page.evaluate(f"{broken}.map(image => image.src)")
    return [source[:80] for source in found if source.startswith("data:")]


def widest_overflow(page: "Page") -> int:
    """By how many pixels the widest table is wider than the column it stands in."""
    return int(
        page.evaluate(
            "Math.max(0, ...[...document.querySelectorAll('table')].map("
            "table => table.getBoundingClientRect().width"
            " - table.parentElement.getBoundingClientRect().width))"
        )
    )
