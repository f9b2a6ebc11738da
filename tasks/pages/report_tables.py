"""The report's tables, as lines of Markdown."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from memdec_core.scoring.result_row import TUNING_SPLIT
from storage.objects.manifest import Manifest
from tasks.jobs.stage_catalogue import STAGES
from tasks.pages.figure_words import seconds_of, size_of
from tasks.pages.markdown_page import markdown_row

Rows = Sequence[Mapping[str, JsonValue]]
Manifests = Mapping[str, Manifest]

MEASURES = {
    "kl": "KL divergence (nats)",
    "total_variation": "total variation",
    "tail_mass": "mass dropped by truncation",
    "top1_agreement": "same most probable token",
}
RESULTS_NOTE = (
    "Perplexity per token with its confidence interval over resampled documents; the ratio is "
    "paired: both systems on the same resamples. α was tuned on the validation split alone."
)


def compared(rows: Rows) -> Iterator[dict[str, str]]:
    """Base against base and memory, one line per base and split, by column."""
    table = by_key(rows)
    for base in bases_of(rows):
        for split in dict.fromkeys(row["split"] for row in rows if row["base"] == base):
            yield {
                "base model": str(base),
                "split": str(split),
                "base": interval(table["base", base, split, "perplexity"]),
                "base + memory": interval(table["memory", base, split, "perplexity"]),
                "ratio": interval(table["memory", base, split, "perplexity_ratio"]),
                "α": f"{table['memory', base, TUNING_SPLIT, 'alpha']['value']:g}",
                "memory alone": interval(table["memory_alone", None, split, "perplexity"]),
                "tokens": f"{table['base', base, split, 'perplexity']['n']:,}",
            }


def results_table(rows: Rows) -> Iterator[str]:
    """Base against base and memory, by base and split."""
    yield "| base model | split | base | base + memory | ratio | α | memory alone | tokens |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for line in compared(rows):
        yield markdown_row(*line.values())


def stage_table(stages: Manifests) -> Iterator[str]:
    """What every stage made and what it took."""
    yield "| stage | made | shards | size | time | peak memory | artifact |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for name, manifest in stages.items():
        yield markdown_row(
            name.replace("_", " "),
            made(manifest),
            len(manifest.shards),
            size_of(manifest.bytes),
            seconds_of(manifest.seconds),
            size_of(manifest.peak_memory_bytes),
            f"`{manifest.ref}`",
        )


def quality_table(stages: Manifests, rows: Rows) -> Iterator[str]:
    """Every step of the way from neighbours to the memory, each against its exact counterpart."""
    index, targets = (
        _flat(stages[name].figures) if name in stages else {} for name in ("index", "targets")
    )
    yield "| checked | figure | value |"
    yield "|---|---|--:|"
    if "recall" in index:
        yield markdown_row(
            "index against exact search",
            f"recall@{index.get('recall_k', 'k')}",
            readable(index["recall"]),
        )
    for split in ("train", "valid"):
        for measure, label in MEASURES.items():
            if f"{split}_{measure}" in targets:
                value = readable(targets[f"{split}_{measure}"])
                yield markdown_row(f"{split} targets against exact p_kNN", label, value)
    for row in rows:
        if row["system"] == "memory_alone" and row["metric"] in MEASURES:
            yield markdown_row(
                f"memory against p_kNN on {row['n']:,} {row['split']} positions",
                MEASURES[str(row["metric"])],
                interval(row),
            )


def made(manifest: Manifest) -> str:
    """The stage's output in a few words, where it gives all the figures they need."""
    stage, figures = manifest.ref.stage, _flat(manifest.figures)
    try:
        words = {name: _in_words(value) for name, value in figures.items()}
        return STAGES[stage].made.format_map(words)
    except KeyError:  # also of a stage that only another version has
        return ""


def _in_words(value: JsonValue) -> str:
    if isinstance(value, float):
        return readable(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _flat(figures: Mapping[str, JsonValue], prefix: str = "") -> dict[str, JsonValue]:
    flat: dict[str, JsonValue] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}_")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def by_key(rows: Rows) -> dict[tuple[JsonValue, ...], Mapping[str, JsonValue]]:
    """The rows by (system, base, split, metric)."""
    return {(row["system"], row["base"], row["split"], row["metric"]): row for row in rows}


def bases_of(rows: Rows) -> list[str]:
    """The base models in the order of the table."""
    return list(dict.fromkeys(str(row["base"]) for row in rows if row["base"] is not None))


def readable(value: JsonValue) -> str:
    """A number with the digits that a person compares."""
    assert isinstance(value, int | float)
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.3g}"


def interval(row: Mapping[str, JsonValue] | None) -> str:
    """A value with its confidence interval, where it has one; empty without a row."""
    if row is None:
        return ""
    if row["ci_low"] is None:
        return readable(row["value"])
    return f"{readable(row['value'])} ({readable(row['ci_low'])} – {readable(row['ci_high'])})"
