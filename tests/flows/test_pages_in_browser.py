"""A run, its artifacts and a deployment's form, as a person sees them in the Prefect UI.

`MEMDEC_SCREENSHOTS=FOLDER pytest tests/flows/test_pages_in_browser.py` keeps the screenshots.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from tests.services.browser_pages import (
    CHROMIUM,
    broken_pictures,
    keep_screenshot,
    open_browser,
    open_page,
    whole_page,
    widest_overflow,
)
from tests.services.command_line import memdec_json
from tests.support.tiny_run import TinyRun

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
ALWAYS = "tiny-report"  # with lineage and pictures; `make test-long` looks at the others
LARGEST_PAGE = 200_000
WORDS = {
    "tiny-build-run": (
        "Build the memory of tiny",
        "kNN targets",
        "reused",
        "built",
        "KL to p_kNN",
        "Report",
    ),
    "tiny-corpus": ("Documents of tiny", "records kept", "train", "Share of the documents"),
    "tiny-tokens": ("Tokens of tiny", "characters per token", "entries of the vocabulary"),
    "tiny-embeddings": ("Datastore of tiny", "width of a key", "Most tokens the model sees"),
    "tiny-index": ("Index of tiny", "recall against exact search", "Flat"),
    "tiny-targets": ("kNN targets of tiny", "total variation from exact p_kNN"),
    "tiny-memory": ("Memory of tiny", "Loss by step", "validation KL of the kept weights"),
    "tiny-evaluation": ("Evaluation of tiny", "base + memory", "Validation perplexity by α"),
    "tiny-report": ("A memory for a frozen language model", "How far it can be trusted"),
}
PICTURES = {"tiny-memory": 1, "tiny-evaluation": 1, "tiny-report": 2}


class Shown(NamedTuple):
    """A run on a real server: where its UI is, and the artifacts by key."""

    ui: str
    run: str
    artifacts: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def shown(
    tiny_run: TinyRun,
    prefect_environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Shown:
    """The tiny pipeline, run again for this server: all is reused but the report."""
    if CHROMIUM is None:
        pytest.skip("NOT TESTED: the pages in the UI, which need Debian's chromium")
    store = tmp_path_factory.mktemp("shown") / "store"
    shutil.copytree(tiny_run.store, store)
    result = memdec_json(
        "run", tiny_run.pipeline, "--store", store, "--force", "report", env=prefect_environment
    )
    api = prefect_environment["PREFECT_API_URL"]
    run = {"flow_runs": {"id": {"any_": [result["flow_run_id"]]}}, "limit": 50}
    found = httpx.post(f"{api}/artifacts/filter", json=run, timeout=30).json()
    by_key = {each["key"]: each for each in found if each["key"]}
    return Shown(f"{api.removesuffix('/api')}/v2", result["flow_run_id"], by_key)


@pytest.fixture(scope="module")
def browser(shown: Shown) -> Iterator["Browser"]:
    pytest.importorskip("playwright", reason="NOT TESTED: the pages in the UI, without playwright")
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    with open_page(browser) as opened:
        yield opened


def test_the_run_and_its_artifacts_are_shown_in_words(
    page: "Page", shown: Shown, tmp_path: Path
) -> None:
    page.goto(f"{shown.ui}/runs/flow-run/{shown.run}?tab=Artifacts")
    page.get_by_text("Build the memory of tiny").first.wait_for()
    page.get_by_text("tiny-build-run").wait_for()
    page.get_by_text("Reused: ").first.wait_for()
    page.get_by_text("Built: ").first.wait_for()
    text = page.inner_text("body")
    assert all(key in text for key in WORDS)
    whole_page(page)
    keep_screenshot(page, "run", tmp_path)
    page.goto(f"{shown.ui}/runs/flow-run/{shown.run}?tab=TaskRuns")
    page.get_by_text("Embed the tokens of tiny (embeddings/").first.wait_for()


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=[] if key == ALWAYS else pytest.mark.long) for key in WORDS]
)
def test_an_artifacts_page_is_readable(
    page: "Page", shown: Shown, key: str, tmp_path: Path
) -> None:
    artifact = shown.artifacts[key]
    assert len(artifact["data"]) < LARGEST_PAGE
    page.goto(f"{shown.ui}/artifacts/artifact/{artifact['id']}")
    page.get_by_role("heading", name=WORDS[key][0]).first.wait_for()
    if "```mermaid" in artifact["data"]:
        page.locator("svg[id^=mermaid], .mermaid svg").first.wait_for()
    whole_page(page)
    text = page.inner_text("body")
    assert [words for words in WORDS[key] if words not in text] == []
    assert "flowchart TB" not in text, "the lineage is not drawn"
    assert broken_pictures(page) == []
    assert page.locator("img[src^='data:image/png']").count() == PICTURES.get(key, 0)
    assert widest_overflow(page) == 0
    keep_screenshot(page, key, tmp_path)


@pytest.mark.long
def test_the_runs_page_leads_to_the_history_of_an_artifact(page: "Page", shown: Shown) -> None:
    page.goto(f"{shown.ui}/artifacts/artifact/{shown.artifacts['tiny-build-run']['id']}")
    link = page.get_by_role("link", name="kNN targets")
    link.wait_for()
    page.goto(str(link.evaluate("link => link.href")))
    page.get_by_text("Find the neighbours of all positions of tiny").first.wait_for()
    assert "tiny-targets" in page.inner_text("body")


@pytest.mark.long
def test_the_parameters_of_a_deployment_are_a_form_with_descriptions(
    page: "Page",
    shown: Shown,
    tiny_run: TinyRun,
    prefect_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    made = memdec_json(
        "deploy", tiny_run.pipeline, "--store", tmp_path / "store", env=prefect_environment
    )
    (url,) = (d["url"] for d in made["deployments"] if d["name"] == "build-memory/tiny")
    page.goto(f"{shown.ui}/deployments/deployment/{url.rpartition('/')[2]}/run")
    page.get_by_text("The domain's documents.").wait_for()
    text = page.inner_text("body")
    for words in (
        "weight of KL(p_kNN",
        "Least recall@k against exact search",
        "Root of the artifact store",
        "Shards of one stage worked on at the same time",
        "Weights α of the memory to try",
    ):
        assert words in text, words
    values = page.evaluate("[...document.querySelectorAll('input, textarea')].map(i => i.value)")
    assert "tiny" in values
    keep_screenshot(page, "parameters", tmp_path)
