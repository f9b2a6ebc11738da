"""The page in a real browser, against a real server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.serving.server_settings import ServerSettings
from tests.services.running_server import KEY, RunningServer, models, running_server

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="NOT TESTED: the page, which needs playwright"
)
CHROMIUM = shutil.which("chromium")
EXPECTED = ("responded with a status of 40", "responded with a status of 503")
"""What the browser says of answers that tests ask for, and of a server that ends before it."""

SERVED = "tiny with law (release 1, memory/1), biomed (release 2, memory/2)"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("NOT TESTED: the page, which needs Debian's chromium")
    with playwright_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: object) -> Iterator[object]:
    """A page that fails the test for any error in its script or console."""
    problems: list[str] = []
    opened = browser.new_page()  # type: ignore[attr-defined]
    opened.set_default_timeout(20_000)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and not any(said in message.text for said in EXPECTED)
            else None
        ),
    )
    yield opened
    opened.close()
    assert not problems


def test_two_columns_show_how_the_memory_changes_every_token(
    page: "playwright_api.Page", server: RunningServer, tmp_path: Path
) -> None:
    page.goto(server.url)
    page.get_by_text(SERVED).wait_for()
    page.fill("#prompt", "The memory of a <b>small</b> model")
    page.select_option("#memory", "biomed")
    assert page.input_value("#alpha") == "0.6"
    page.fill("#tokens", "25")
    page.fill("#temperature", "0")
    page.click("#go")
    page.locator("#go", has_text="Continue").wait_for()
    with server.client() as client:
        for side, model in (("base", "base"), ("memory", "biomed")):
            expected = client.completions.create(
                model=model,
                prompt="The memory of a <b>small</b> model",
                temperature=0,
                max_tokens=25,
                echo=True,
            )
            assert page.text_content(f"#{side}-text") == expected.choices[0].text
    assert page.locator("#memory-text b").count() == 0
    tokens = page.locator("#memory-text .token")
    ratios = [float(str(tokens.nth(n).get_attribute("data-ratio"))) for n in range(tokens.count())]
    assert len(ratios) > 5
    assert any(ratio > 1.05 for ratio in ratios)
    colours = {ratio: tokens.nth(n).get_attribute("style") for n, ratio in enumerate(ratios)}
    assert "--up" in str(colours[max(ratios)])
    assert "biomed" in str(tokens.first.get_attribute("title"))
    tokens.first.click()
    detail = page.inner_text("#detail")
    assert "both, α = 0.60" in detail
    assert detail.count("%") + detail.count("e-") == 3
    page.screenshot(path=tmp_path / "page.png", full_page=True)


@pytest.mark.long
def test_alpha_zero_makes_both_columns_alike(
    page: "playwright_api.Page", server: RunningServer
) -> None:
    page.goto(server.url)
    page.get_by_text(SERVED).wait_for()
    page.fill("#prompt", "The memory")
    page.fill("#alpha", "0")
    assert page.inner_text("#memory-title") == "base + law (α = 0.00)"
    page.click("#go")
    page.locator("#go", has_text="Continue").wait_for()
    assert page.text_content("#memory-text") == page.text_content("#base-text")
    page.click("#tuned")
    assert page.input_value("#alpha") == "0.3"


def test_a_mistake_is_shown(page: "playwright_api.Page", server: RunningServer) -> None:
    page.goto(server.url)
    page.get_by_text(SERVED).wait_for()
    page.evaluate("document.querySelector('#tokens').value = 99999")
    page.evaluate("run()")
    page.get_by_text("this server makes at most 4096").wait_for()
    assert page.locator("#problem").is_visible()


@pytest.mark.long
def test_stopping_frees_the_rows_and_keeps_the_text(
    page: "playwright_api.Page", server: RunningServer
) -> None:
    page.goto(server.url)
    page.get_by_text(SERVED).wait_for()
    page.fill("#prompt", "The memory")
    page.fill("#tokens", "240")
    page.click("#go")
    page.locator("#memory-text .token").nth(3).wait_for()
    page.click("#go")
    page.locator("#go", has_text="Continue").wait_for()
    server.wait_until_idle()
    assert page.locator("#memory-text .token").count() > 3
    assert page.locator("#problem").is_hidden()


@pytest.mark.long
def test_a_key_is_asked_for_where_one_is_needed(
    page: "playwright_api.Page", one_thread: None
) -> None:
    with running_server(models(), ServerSettings(port=0, api_key=KEY, grace=5)) as server:
        page.goto(server.url)
        page.get_by_text("the API key is missing or wrong").wait_for()
        page.fill("#key-value", KEY)
        page.press("#key-value", "Enter")
        page.get_by_text(SERVED).wait_for()
        assert page.locator("#problem").is_hidden()
