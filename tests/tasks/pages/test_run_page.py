import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob
from tasks.pages import ui_artifacts
from tasks.pages.run_page import StageOutcome, run_page, shown_as_page
from tests.support.artifacts import publish
from tests.support.jobs import make_job

NOTHING = {"all": (lambda _folder: None, {})}


@pytest.fixture
def done(store: Store) -> list[StageOutcome]:
    corpus = publish(store, "corpus", NOTHING)
    tokens = publish(store, "tokens", NOTHING, inputs={"corpus": corpus})
    jobs = [make_job(corpus, {}, {}), make_job(tokens, {}, {"corpus": corpus})]
    return [StageOutcome(jobs[0], reused=True, seconds=0.1), StageOutcome(jobs[1], False, 130.0)]


def test_stages_are_listed_in_their_order_with_links_to_their_artifacts(
    store: Store, done: list[StageOutcome]
) -> None:
    page = run_page(store, "Build the memory of test", done)
    assert page.startswith("# Build the memory of test\n")
    assert "**1 built**, 1 reused" in page
    first, second = (line for line in page.splitlines() if "](../key/" in line)
    assert "| 1 | [Documents](../key/test-corpus) |" in first
    assert "| reused | 0.1\u00a0s |" in first
    assert "| **built** | 2\u00a0min\u00a010\u00a0s |" in second


def test_a_failed_run_says_why_after_what_it_has_done(
    store: Store, done: list[StageOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[dict[str, str]] = []
    monkeypatch.setattr(
        ui_artifacts, "create_markdown_artifact", lambda **made: published.append(made)
    )
    with (
        pytest.raises(ValueError, match="no room"),
        shown_as_page(store, "Build", "test-build-run", done),
    ):
        raise ValueError("no room left")
    (made,) = published
    assert made["key"] == "test-build-run"
    assert "ValueError: no room left" in made["markdown"]
    assert "[Tokens]" in made["markdown"]
    assert made["description"].startswith("Failed after 2 stages")


def test_an_artifact_that_is_gone_leaves_its_line(store: Store) -> None:
    gone: StageJob = make_job(ArtifactRef(stage="index", fingerprint="1" * 32), {}, {})
    page = run_page(store, "Build", [StageOutcome(gone, reused=False, seconds=1)])
    assert "| 1 | [Index](../key/test-index) |" in page
