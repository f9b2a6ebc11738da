"""The report says what manifests and tables say, in a form that a person reads."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue

from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.pages.report_page import headline
from tasks.stages.write_report import report_shard
from tests.support.artifacts import as_shard
from tests.support.jobs import make_job

PNG = b"\x89PNG not a real one"
FIGURES: dict[str, dict[str, JsonValue]] = {
    "corpus": {"kept": 1990, "records": 2000},
    "tokens": {"train": {"tokens": 123456}, "vocab_size": 400},
    "index": {"kind": "Flat", "rows": 99, "recall": 0.998, "recall_k": 32},
    "targets": {"train_kl": 0.0123, "train_total_variation": 0.002, "train_rows": 99},
    "memory": {"parameters": 1000, "steps": 40},
}
INPUTS = {
    "corpus": [],
    "base_model": [],
    "tokens": ["corpus", "base_model"],
    "embeddings": ["tokens", "base_model"],
    "index": ["embeddings"],
    "targets": ["embeddings", "index"],
    "memory": ["tokens", "targets"],
    "evaluation": ["tokens", "memory", "base_model"],
}


def row(
    system: str, base: str | None, split: str, metric: str, value: float, spread: float | None = 0.1
) -> dict[str, str | float | int | None]:
    low, high = (None, None) if spread is None else (value * (1 - spread), value * (1 + spread))
    return {
        "system": system,
        "base": base,
        "split": split,
        "metric": metric,
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": 12345,
    }


ROWS = [
    row("memory", "gpt2", "valid", "alpha", 0.55, None),
    *[
        entry
        for split in ("valid", "test")
        for entry in (
            row("memory_alone", None, split, "perplexity", 21.0),
            row("base", "gpt2", split, "perplexity", 30.0),
            row("memory", "gpt2", split, "perplexity", 18.0),
            row("memory", "gpt2", split, "perplexity_ratio", 0.6),
        )
    ],
    row("memory_alone", None, "valid", "kl", 0.71),
]


def fill_nothing(folder: Path) -> None:
    (folder / "data").write_text("data")


def fill_evaluation(folder: Path) -> None:
    RESULTS.write(as_shard(folder), ROWS)
    (folder / "alpha_curve.png").write_bytes(PNG)


def fill_memory(folder: Path) -> None:
    (folder / "curves.png").write_bytes(PNG)


def publish_stage(store: Store, stage: str, done: dict[str, ArtifactRef]) -> ArtifactRef:
    fill: dict[str, Callable[[Path], None]] = {
        "evaluation": fill_evaluation,
        "memory": fill_memory,
    }
    ref = ArtifactRef(stage=stage, fingerprint=f"{len(done):032x}")
    writer = store.writer(ref, "all", "a" * 32)
    fill.get(stage, fill_nothing)(writer.folder)
    entry = writer.commit({}, seconds=2.5, peak_memory_bytes=3_000_000)
    draft = ManifestDraft(
        format_version=1,
        config={},
        inputs={name: done[name] for name in INPUTS[stage]},
        shards=[entry],
        figures=FIGURES.get(stage, {}),
        software={},
    )
    return store.seal(ref, draft).ref


@pytest.fixture
def report(store: Store) -> ShardRun:
    """The report of a finished pipeline, written."""
    done: dict[str, ArtifactRef] = {}
    for stage in INPUTS:
        done[stage] = publish_stage(store, stage, done)
    ref = ArtifactRef(stage="report", fingerprint="f" * 32)
    job = make_job(ref, {}, done)
    writer = store.writer(ref, "all", "a" * 32)
    return ShardRun(job, "all", RunSettings(), store, writer, lambda _fraction, _note: None)


def test_the_page_states_results_stages_and_checks(report: ShardRun) -> None:
    meta = report_shard(report)
    page = (report.writer.folder / "report.md").read_text()
    assert "gpt2 has a test perplexity of 30.00; with the memory it has 18.00" in meta["headline"]
    assert "| gpt2 | test | 30.00 (27.00 – 33.00) | 18.00 (16.20 – 19.80) | 0.6 (" in page
    assert "| 0.55 | 21.00 (18.90 – 23.10) | 12,345 |" in page
    assert "| corpus | 1,990 of 2,000 records kept | 1 |" in page
    assert "123,456 training tokens" in page
    assert "| index against exact search | recall@32 | 0.998 |" in page
    assert "| train targets against exact p_kNN | KL divergence (nats) | 0.0123 |" in page
    assert "memory against p_kNN on 12,345 valid positions" in page


def test_pictures_lie_beside_the_page_that_shows_them(report: ShardRun) -> None:
    report_shard(report)
    page = (report.writer.folder / "report.md").read_text()
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", page)
    assert sorted(shown) == ["alpha_curve.png", "loss_curves.png"]
    assert all((report.writer.folder / name).read_bytes() == PNG for name in shown)


def test_every_table_has_as_many_cells_in_every_line(report: ShardRun) -> None:
    report_shard(report)
    page = (report.writer.folder / "report.md").read_text()
    tables = [part.splitlines() for part in page.split("\n\n") if part.startswith("|")]
    assert len(tables) == 3
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_the_lineage_reaches_back_to_the_corpus(report: ShardRun) -> None:
    report_shard(report)
    page = (report.writer.folder / "report.md").read_text()
    graph = page.split("```mermaid")[1].split("```")[0]
    edges = set(re.findall(r"(\w+)_\w+ --> (\w+)_\w+", graph))
    assert edges == {(source, stage) for stage, sources in INPUTS.items() for source in sources}


def test_a_gain_within_the_uncertainty_is_called_so() -> None:
    unsure = [r | {"ci_high": 1.1} if r["metric"] == "perplexity_ratio" else r for r in ROWS]
    assert "within the uncertainty" in next(headline(unsure))
    assert "within the uncertainty" not in next(headline(ROWS))
