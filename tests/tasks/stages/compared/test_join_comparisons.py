"""Two comparisons made by hand, joined: the same models and corpora meet under one name."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from storage.formats.row_tables import LATENCIES, RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.pages.compared.domains_summary import domains_summary
from tasks.stages.compared.join_comparisons import join_shard
from tests.support.artifacts import as_shard, publish
from tests.support.comparison_rows import Row, measured, row
from tests.support.jobs import make_job

LAW = [
    *measured("small", 60.0, {"dapt": 0.7, "memory": 0.5, "memory_beta_1": 0.6}),
    *measured("large", 40.0, {"dapt": 0.6, "memory": 0.7, "memory_beta_1": 0.6}),
    *measured("small", 50.0, {"dapt": 1.5, "memory": 1.2}, "money"),
    *measured("small", 30.0, {"dapt": 1.4, "memory": 1.6}, "general"),
    row("targets", None, "valid", "coverage", 0.7),
    row("base", "small", "sst2", "accuracy_dcpmi", 0.7),
]
FINANCE = [
    *measured("small", 50.0, {"dapt": 0.8, "memory": 0.6}),
    *measured("large", 45.0, {"dapt": 0.7, "memory": 0.9}),
    *measured("small", 60.0, {"dapt": 1.1, "memory": 1.3}, "law"),
]
TIMED: dict[str, str | int | float | None] = {
    "system": "base",
    "base": "small",
    "context": 64,
    "first_token_ms": 12.5,
    "ms_per_token": 4.0,
    "tokens_per_second": 250.0,
    "memory_bytes": 1_500_000,
    "disk_bytes": 1_500_000,
    "device": "CPU",
    "cores": 2,
    "threads": 1,
} | dict.fromkeys(("datastore_rows", "ratio", "ratio_low", "ratio_high", "flops_ratio"))


def publish_comparison(
    store: Store, name: str, rows: Sequence[Row], elsewhere: Mapping[str, str], models: str
) -> ArtifactRef:
    """A comparison with its table, and the artifacts that say which models and corpora it is of."""

    def tokens_of(corpus: str) -> ArtifactRef:
        made = publish(store, "corpus", {}, {"corpus": corpus})
        return publish(store, "tokens", {}, {"corpus": corpus}, {"corpus": made})

    inputs = {"tokens": tokens_of(name)}
    inputs |= {f"{called}:tokens": tokens_of(corpus) for called, corpus in elsewhere.items()}
    for number, seed in enumerate(models):
        model = publish(store, "base_model", {}, {"seed": seed})
        scores = publish(store, "scores", {}, {"of": name, "seed": seed}, {"model": model})
        inputs[f"base_{number}"] = scores
    timed = {"all": (lambda folder: LATENCIES.write(as_shard(folder), [TIMED]), {})}
    inputs["latency_0"] = publish(store, "latency", timed, {"of": name})
    shards = {"all": (lambda folder: RESULTS.write(as_shard(folder), rows), {})}
    return publish(store, "comparison", shards, {"name": name}, inputs)


def joined(store: Store, models: tuple[str, str] = ("ab", "ab")) -> ShardRun:
    """The joint stage over both, in the order of a command line."""
    law = publish_comparison(
        store, "law", LAW, {"money": "finance", "general": "general"}, models[0]
    )
    finance = publish_comparison(store, "finance", FINANCE, {"law": "laws"}, models[1])
    ref = ArtifactRef(stage="domains", fingerprint="d" * 32)
    writer = store.writer(ref, "all", "a" * 32)
    job = make_job(ref, {}, {"law": law, "finance": finance})
    return ShardRun(job, "all", RunSettings(), store, writer, lambda _fraction, _note: None)


def result_of(run: ShardRun) -> tuple[list[dict[str, JsonValue]], str, dict[str, JsonValue]]:
    """The joint rows, the page and the figures."""
    figures = join_shard(run)
    run.writer.commit(figures, seconds=1, peak_memory_bytes=1)
    reader = run.store.readers(run.job.ref)["all"]
    return RESULTS.read(reader), reader.read("report.md").decode(), figures


def table_under(page: str, heading: str) -> list[list[str]]:
    """Cells of the first table after a line, without the one below its header."""
    lines = page.split(f"{heading}\n")[1].split("\n")
    first = next(place for place, line in enumerate(lines) if line.startswith("|"))
    cells = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip("|").split("|")])
    return [cells[0], *cells[2:]]


def test_all_rows_are_kept_under_common_names(store: Store) -> None:
    rows, _, figures = result_of(joined(store))
    assert len(rows) == len(LAW) + len(FINANCE)
    found = {
        (r["corpus"], r["system"], r["base"], r["split"], r["metric"]): r["value"] for r in rows
    }
    assert found["law", "memory", "small", "finance", "perplexity_ratio"] == 1.2
    assert found["law", "memory", "small", "general", "perplexity_ratio"] == 1.6
    assert found["finance", "memory", "small", "law", "perplexity_ratio"] == 1.3
    assert found["law", "targets", None, "valid", "coverage"] == 0.7
    assert figures == {
        "finance small memory ratio": 0.6,
        "law small memory ratio": 0.5,
        "finance large memory ratio": 0.9,
        "law large memory ratio": 0.7,
    }


def test_the_page_has_systems_by_corpus_for_every_base(store: Store) -> None:
    _, page, _ = result_of(joined(store))
    header, *lines = table_under(page, "## Perplexity, small")
    assert header == ["system", "finance", "law"]
    assert [(line[0], *[cell.split()[0] for cell in line[1:] if cell]) for line in lines] == [
        ("base", "50.00", "60.00"),
        ("DAPT", "40.00", "42.00"),
        ("+ memory", "30.00", "30.00"),
        ("+ memory, KL only", "36.00"),
    ]
    ratios = table_under(page, "## Ratio to the base, large")
    assert ["+ memory", "0.9 (0.85 – 0.95)", "0.7 (0.65 – 0.75)"] in ratios


def test_what_is_kept_elsewhere_is_a_matrix(store: Store) -> None:
    _, page, _ = result_of(joined(store))
    section = page.split("## What is kept elsewhere, small")[1]
    matrix = table_under(section, "**+ memory**")
    assert matrix[0] == ["made for", "finance", "law", "general"]
    assert [[cell.split()[0] if cell else "" for cell in line] for line in matrix[1:]] == [
        ["finance", "0.6", "1.3", ""],
        ["law", "1.2", "0.5", "1.6"],
    ]
    dapt = table_under(section, "**DAPT**")
    assert [line[1].split()[0] for line in dapt[1:]] == ["0.8", "1.5"]


def test_what_a_token_takes_is_shown_for_every_corpus_and_base(store: Store) -> None:
    _rows, page, _figures = result_of(joined(store))
    for corpus in ("law", "finance"):
        lines = table_under(page, f"### {corpus}, small")
        assert lines[-1][:2] == ["base", "64"]
        assert lines[-1][5:7] == ["250.00", "12.50"]


def test_the_corpora_link_to_their_own_pages_and_pictures_exist(store: Store) -> None:
    run = joined(store)
    _, page, _ = result_of(run)
    for corpus, ref in run.job.inputs.items():
        assert f"| {corpus} | test | `memdec artifacts show {ref}` |" in page
    reader = run.store.readers(run.job.ref)["all"]
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", page)
    assert sorted(shown) == sorted(name for name in reader.names() if name.endswith(".png"))
    assert sorted(shown) == [
        *("forgetting_0.png", "forgetting_1.png", "systems_0.png", "systems_1.png")
    ]
    assert all(reader.read(name).startswith(b"\x89PNG") for name in shown)
    assert "The paper's numbers" not in page


def test_other_models_of_the_same_name_are_told_apart(store: Store) -> None:
    rows, page, _ = result_of(joined(store, ("ab", "cb")))
    assert {(r["corpus"], r["base"]) for r in rows if r["base"] is not None} == {
        *(("finance", "small"), ("finance", "large")),
        *(("law", "small (law)"), ("law", "large")),
    }
    assert table_under(page, "## Perplexity, small (law)")[1] == [
        "base",
        "",
        "60.00 (59.95 – 60.05)",
    ]


def test_the_order_of_the_command_line_changes_nothing(store: Store, tmp_path: Path) -> None:
    run, other = joined(store), joined(Store.open(str(tmp_path / "other")))
    inputs = dict(reversed(other.job.inputs.items()))
    backwards = ShardRun(
        other.job.model_copy(update={"inputs": inputs}), *list(vars(other).values())[1:]
    )
    assert result_of(run) == result_of(backwards)


def test_the_sentences_count_over_bases_and_corpora(store: Store) -> None:
    rows, _, _ = result_of(joined(store))
    said = list(domains_summary(rows))
    mean = {
        name: 100 * (np.sqrt(a * b) - 1)
        for name, a, b in (("small", 0.5, 0.6), ("large", 0.7, 0.9))
    }
    assert said[0] == "- Base and memory together are better than the base on 4 of 4."
    assert f"+ memory {mean['small']:+.1f} %" in said[1]
    assert f"+ memory {mean['large']:+.1f} %" in said[2]
    assert "KL only" not in said[1], "one corpus lacks it"
    assert said[3:5] == [
        "- On finance the weakest base with the memory (small, 30.00) is better than the strongest "
        "alone (large, 45.00).",
        "- On law the weakest base with the memory (small, 30.00) is better than the strongest "
        "alone (large, 40.00).",
    ]
    assert said[5:7] == [
        "- Both losses together are no worse than KL only in 1 of 2 cases (intervals overlap in "
        "0).",
        "- On corpora that it was not made for, the memory is no worse than DAPT in 1 of 3 cases "
        "(intervals overlap in 0).",
    ]
    assert len(said) == 8


def test_the_papers_numbers_stand_beside_its_own_corpora(store: Store) -> None:
    rows = measured("Qwen/Qwen2.5-0.5B", 10.0, {"memory": 0.5})
    law, chemistry = (
        publish_comparison(store, name, rows, {}, "a") for name in ("law", "chemistry")
    )
    ref = ArtifactRef(stage="domains", fingerprint="d" * 32)
    job = make_job(ref, {}, {"law": law, "chemistry": chemistry})
    writer = store.writer(ref, "all", "a" * 32)
    _, page, _ = result_of(ShardRun(job, "all", RunSettings(), store, writer, lambda *_: None))
    assert "## The paper's numbers: law" in page
    assert "| + memory | 5 (4.95 – 5.05) | 4.57 |" in page
    assert "numbers: chemistry" not in page
    assert "What is kept elsewhere" not in page
