"""The comparison's table and page on random scores, against NumPy over every pair of a grid."""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from memdec_core.errors import UserError
from storage.formats.position_columns import write_scores
from storage.formats.row_tables import MIXTURE_CURVES, RESULTS
from storage.formats.token_shards import write_token_shard
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.compared.compare_scores import compare_shard
from tests.oracles.comparison_oracle import (
    ALPHAS,
    BASES,
    PARTS,
    STEMS,
    TAUS,
    log_probs,
    mixture,
    perplexity,
    plain_systems,
    plain_table,
    tuned_pair,
)
from tests.oracles.perplexity_oracle import bootstrap_means
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.jobs import make_job
from tests.support.scored_text import (
    LENGTHS,
    POSITIONS,
    TOKENS,
    WINDOWS,
    publish_model,
    publish_tokens,
)

CONFIG: dict[str, JsonValue] = {
    "evaluation": {"alphas": [*ALPHAS], "bootstrap_samples": 50},
    "knn_lm": {"k": 8, "taus": [*TAUS]},
    "windows": WINDOWS,
}
ROLES = *(f"{stem}_{number}" for number in (0, 1) for stem in STEMS), *PARTS
LABELS = {
    "base": "base",
    "rag": "in-context retrieval",
    "knn_lm": "kNN-LM",
    "lora": "LoRA",
    "dapt": "DAPT",
    "dapt_small": "+ DAPT of the student",
    "memory": "+ memory",
    "memory_beta_0": "+ memory, cross-entropy only",
    "memory_beta_0.25": "+ memory, β = 0.25",
    "memory_student_wide": "+ memory, student wide",
}
SIGNS = {"alpha": "α", "lambda": "λ", "tau": "τ"}
Key = tuple[str, str, str, str]
Table = Mapping[Key, Mapping[str, JsonValue]]


def fill_scores(role: str, split: str, spoilt: str | None) -> Fill:
    scores = log_probs(role, split)
    return lambda folder: write_scores(
        as_shard(folder), scores[:, ::-1] * 3 if split == spoilt else scores
    )


def publish_valid_tokens(store: Store) -> ArtifactRef:
    """Tokens of a corpus without a test split."""

    def fill(folder: Path) -> None:
        names = [f"valid {number}" for number in range(len(LENGTHS["valid"]))]
        tokens = TOKENS["valid"].astype(np.uint16)
        write_token_shard(as_shard(folder), names, tokens, np.array(LENGTHS["valid"]))

    return publish(store, "tokens", {"valid-00000": (fill, {})})


def comparison_of(
    store: Store,
    roles: Iterable[str] = ROLES,
    splits: Iterable[str] = POSITIONS,
    spoilt: str | None = None,
) -> ShardRun:
    """A comparison of published scores; those of the split `spoilt` are others."""
    splits = tuple(splits)
    models = [publish_model(store, seed, padded) for seed, padded in BASES]
    tokens = publish_tokens(store) if "test" in splits else publish_valid_tokens(store)
    inputs = {"tokens": tokens}
    if any(role.startswith("general:") for role in roles):
        inputs["general:tokens"] = publish_valid_tokens(store) if spoilt == "general" else tokens
    for role in roles:
        shards = {split: (fill_scores(role, split, spoilt), {}) for split in splits}
        model = {"model": models[role.endswith("_1")]}
        inputs[role] = publish(store, "scores", shards, {"role": role}, model)
    ref = ArtifactRef(stage="comparison", fingerprint="c" * 32)
    writer = store.writer(ref, "all", "a" * 32)
    job = make_job(ref, CONFIG, inputs)
    settings = RunSettings(device="cpu")
    return ShardRun(job, "all", settings, store, writer, lambda _fraction, _note: None)


def published(run: ShardRun) -> tuple[Table, str]:
    """The table by (system, base, split, metric), and the page."""
    run.writer.commit(compare_shard(run), seconds=1, peak_memory_bytes=1)
    reader = run.store.readers(run.job.ref)["all"]
    rows = RESULTS.read(reader)
    keys = [(row["system"], row["base"], row["split"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, rows, strict=True)), reader.read("report.md").decode()


Compared = tuple[ShardRun, Table, str]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The comparison of everything, for all who only read it: its run, table and page."""
    run = comparison_of(Store.open(str(tmp_path_factory.mktemp("compared"))))
    return run, *published(run)


def names_of(table: Table) -> list[str]:
    return list(dict.fromkeys(base for _, base, _, _ in table))


def page_tables(page: str) -> dict[str, list[list[str]]]:
    """Cells of the tables by heading, without the line below their headers."""
    tables = {}
    for section in page.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        if cells:
            tables[section.splitlines()[0]] = [cells[0], *cells[2:]]
    return tables


def files_of(run: ShardRun) -> dict[str, bytes]:
    reader = run.store.readers(run.job.ref)["all"]
    return {name: reader.read(name) for name in reader.names()}


def test_every_row_agrees_with_an_exhaustive_search_on_validation(compared: Compared) -> None:
    _, table, _ = compared
    names = names_of(table)
    assert len(names) == len(BASES)
    expected = {(s, names[b], *rest): value for (s, b, *rest), value in plain_table().items()}
    assert {key: row["value"] for key, row in table.items()} == pytest.approx(expected, rel=1e-9)
    assert all(row["n"] == POSITIONS[split] for (_, _, split, _), row in table.items())
    roles = [(0, "knn_lm_0"), (1, "knn_lm_1"), *product((0, 1), PARTS)]
    pairs = [[tuned_pair(*role, split) for split in POSITIONS] for role in roles]
    assert all(on_valid != on_test for on_valid, on_test in pairs), "tuning on test would not show"


def test_intervals_resample_documents_and_ratios_are_paired(compared: Compared) -> None:
    _, table, _ = compared
    for (number, name), split in product(enumerate(names_of(table)), POSITIONS):
        systems = plain_systems(number, split)
        counts = [length - 1 for length in LENGTHS[split] if length > 1]
        starts = np.cumsum([0, *counts[:-1]])
        for system, p_N in systems.items():
            measured = {"perplexity": p_N, "perplexity_ratio": p_N / systems["base"]}
            for metric in ("perplexity", "perplexity_ratio")[: 1 + (system != "base")]:
                row = table[system, name, split, metric]
                means = bootstrap_means(np.log(measured[metric]), starts, samples=50, seed=0)
                expected = np.exp(-np.quantile(means, [0.975, 0.025]))
                assert [row["ci_low"], row["ci_high"]] == pytest.approx(expected, rel=1e-9)


def test_nothing_is_tuned_on_the_test_split(compared: Compared, store: Store) -> None:
    _, table, _ = compared
    other, _ = published(comparison_of(store, spoilt="test"))
    on_valid = {key: row for key, row in table.items() if key[2] == "valid"}
    assert on_valid == {key: row for key, row in other.items() if key[2] == "valid"}
    on_test = [key for key in table if key[2:] == ("test", "perplexity")]
    assert all(table[key]["value"] != other[key]["value"] for key in on_test)


def test_the_page_has_every_system_in_the_papers_order_and_a_column_per_base(
    compared: Compared,
) -> None:
    _, table, page = compared
    names = names_of(table)
    tables = page_tables(page)
    systems = list(LABELS)
    for heading, metric, shown in (
        ("Perplexity, test", "perplexity", systems),
        ("Ratio to the base, test", "perplexity_ratio", systems[1:]),
    ):
        header, *lines = tables[heading]
        assert header == ["system", *names]
        assert [line[0] for line in lines] == [LABELS[system] for system in shown]
        for system, line in zip(shown, lines, strict=True):
            for name, cell in zip(names, line[1:], strict=True):
                row = table[system, name, "test", metric]
                numbers = [float(number) for number in re.findall(r"\d[\d.]*", cell)]
                ends = [row[end] for end in ("value", "ci_low", "ci_high")]
                assert numbers == pytest.approx(ends, rel=0.005)
    assert "](systems.png)" in page


def test_the_page_says_what_was_tuned(compared: Compared) -> None:
    _, table, page = compared
    names = names_of(table)
    header, *lines = page_tables(page)["What was tuned"]
    assert header == ["system", *names]
    shown = {
        (label, name): {part[0]: float(part.split()[-1]) for part in cell.split(", ")}
        for label, *cells in lines
        for name, cell in zip(names, cells, strict=True)
    }
    expected: dict[tuple[str, str], dict[str, JsonValue]] = {}
    for (system, name, _split, metric), row in table.items():
        if metric in SIGNS:
            expected.setdefault((LABELS[system], name), {})[SIGNS[metric]] = row["value"]
    assert shown == expected
    assert [line[0] for line in lines] == [LABELS[s] for s in LABELS if s in (*PARTS, "knn_lm")]


def test_a_corpus_without_a_test_split_is_reported_on_valid(store: Store) -> None:
    run = comparison_of(store, splits=["valid"])
    table, page = published(run)
    names = names_of(table)
    expected = plain_table(["valid"])
    assert {(system, names.index(name), *rest) for system, name, *rest in table} == set(expected)
    assert set(page_tables(page)) == {
        *("Perplexity, valid", "Ratio to the base, valid"),
        *("The memory's two losses", "What was tuned"),
    }
    figures = run.store.committed(run.job.ref)["all"].meta
    assert figures.pop("split") == "valid"
    assert figures == {
        f"{name} {label}": pytest.approx(expected[system, number, "valid", "perplexity"])
        for number, name in enumerate(names)
        for system, label in LABELS.items()
    }


def test_elsewhere_systems_are_mixed_as_on_the_domain(store: Store) -> None:
    roles = [*ROLES, *(f"general:{role}" for role in ROLES if not role.startswith("rag"))]
    table, page = published(comparison_of(store, roles))
    for number, name in enumerate(names_of(table)):
        mixed = {"knn_lm": f"knn_lm_{number}", "memory": "memory", "dapt_small": "dapt_small"}
        base = np.exp(log_probs(f"general:base_{number}", "test")[0])
        for system, role in mixed.items():
            setting, weight = tuned_pair(number, role)
            part = np.exp(log_probs(f"general:{role}", "test")[setting])
            expected = perplexity((1 - weight) * base + weight * part)
            assert table[system, name, "general", "perplexity"]["value"] == pytest.approx(expected)
        dapt = np.exp(log_probs(f"general:dapt_{number}", "test")[0])
        ratio = table["dapt", name, "general", "perplexity_ratio"]["value"]
        assert ratio == pytest.approx(perplexity(dapt) / perplexity(base))
        assert ("rag", name, "general", "perplexity") not in table
    ratios = page_tables(page)["Ratio to the base on another corpus: general"]
    assert "+ memory" in [row[0] for row in ratios]


def test_the_curves_that_weights_were_read_from_are_kept(compared: Compared) -> None:
    run, table, page = compared
    curves = MIXTURE_CURVES.read(run.store.readers(run.job.ref)["all"])
    names = names_of(table)
    expected = {
        (part, name, alpha): perplexity(mixture(number, part, "valid", 0, alpha))
        for (number, name), part, alpha in product(enumerate(names), PARTS, ALPHAS)
    }
    found = {(row["system"], row["base"], row["alpha"]): row["perplexity"] for row in curves}
    assert found == pytest.approx(expected)
    shown = [f"on {name}](alpha_curves_{number}.png)" for number, name in enumerate(names)]
    assert all(picture in page for picture in shown)


def test_a_corpus_elsewhere_needs_test_text(store: Store) -> None:
    run = comparison_of(store, [*ROLES, "general:base_0"], spoilt="general")
    with pytest.raises(UserError, match=r"elsewhere\.general: no text in its test split"):
        compare_shard(run)


def test_baselines_that_were_left_out_have_no_rows(store: Store) -> None:
    table, page = published(comparison_of(store, ["base_0", "dapt_0", "memory"]))
    systems = ["base", "dapt", "memory"]
    assert {system for system, *_ in table} == set(systems)
    shown = [line[0] for line in page_tables(page)["Perplexity, test"]]
    assert shown == ["system", *(LABELS[system] for system in systems)]
    assert len(page_tables(page)["What was tuned"]) == 2


@pytest.mark.parametrize("roles", [ROLES, ROLES[::-1]], ids=["same order", "other order"])
def test_the_same_comparison_gives_the_same_bytes(
    compared: Compared, store: Store, roles: tuple[str, ...]
) -> None:
    first = files_of(compared[0])
    run = comparison_of(store, roles)
    published(run)
    again = files_of(run)
    pictures = {"systems.png", "alpha_curves_0.png", "alpha_curves_1.png", "ablation.png"}
    assert set(first) == {"results.parquet", "curves.parquet", "report.md", *pictures}
    assert first == again
    assert all(first[name].startswith(b"\x89PNG") for name in pictures)
