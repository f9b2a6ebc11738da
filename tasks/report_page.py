"""The report's text: Markdown from manifests and the evaluation's rows, nothing read or written."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from memdec_core.system_comparison import TUNING_SPLIT
from storage.artifact_ref import ArtifactRef
from storage.manifest import Manifest

Rows = Sequence[Mapping[str, JsonValue]]
Manifests = Mapping[str, Manifest]
Figures = dict[str, JsonValue]


def report_page(
    stages: Manifests, lineage: Mapping[ArtifactRef, Manifest], rows: Rows, pictures: Sequence[str]
) -> str:
    """One page that a person can read, with pictures by file name.

    Args:
        stages: Manifests of the pipeline's stages by name, in order.
        lineage: Manifests of these artifacts and of all they were made from.
        rows: The evaluation's rows.
        pictures: File names beside the page, among loss_curves.png and alpha_curve.png.
    """
    sections = [
        ["# A memory for a frozen language model", "", *headline(rows)],
        ["## Results", "", *results_table(rows), "", RESULTS_NOTE],
        _picture("α, the memory's weight", "alpha_curve.png", pictures),
        ["## What was built", "", *stage_table(stages)],
        ["## How far it can be trusted", "", *quality_table(stages, rows)],
        _picture("Training of the memory", "loss_curves.png", pictures),
        ["## Lineage", "", *lineage_graph(lineage)],
        ["## Where to look next", "", *next_steps(stages)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


RESULTS_NOTE = (
    "Perplexity per token with its confidence interval over resampled documents; the ratio is "
    "paired: both systems on the same resamples. α was tuned on the validation split alone."
)


def headline(rows: Rows) -> Iterator[str]:
    """What the memory does for each base, on the split that nothing was tuned on, in words."""
    table = _by_key(rows)
    for base in _bases(rows):
        split = "test" if ("base", base, "test", "perplexity") in table else TUNING_SPLIT
        before = table["base", base, split, "perplexity"]
        after = table["memory", base, split, "perplexity"]
        ratio = table["memory", base, split, "perplexity_ratio"]
        yield (
            f"**{base}** has a {split} perplexity of {_number(before['value'])}; with the memory "
            f"it has **{_number(after['value'])}** ({_percent(ratio['value'])}{_verdict(ratio)}).  "
        )


def results_table(rows: Rows) -> Iterator[str]:
    """Base against base and memory, by base and split."""
    table = _by_key(rows)
    yield "| base model | split | base | base + memory | ratio | α | memory alone | tokens |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for base in _bases(rows):
        for split in dict.fromkeys(row["split"] for row in rows if row["base"] == base):
            yield _line(
                base,
                split,
                _interval(table["base", base, split, "perplexity"]),
                _interval(table["memory", base, split, "perplexity"]),
                _interval(table["memory", base, split, "perplexity_ratio"]),
                f"{table['memory', base, TUNING_SPLIT, 'alpha']['value']:g}",
                _interval(table["memory_alone", None, split, "perplexity"]),
                f"{table['base', base, split, 'perplexity']['n']:,}",
            )


def stage_table(stages: Manifests) -> Iterator[str]:
    """What every stage made and what it took."""
    yield "| stage | made | shards | size | time | peak memory | artifact |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for name, manifest in stages.items():
        yield _line(
            name.replace("_", " "),
            _made(name, _flat(manifest.figures)),
            len(manifest.shards),
            f"{manifest.bytes / 1e6:,.1f} MB",
            f"{manifest.seconds:,.1f} s",
            f"{manifest.peak_memory_bytes / 1e6:,.0f} MB",
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
        yield _line(
            "index against exact search",
            f"recall@{index.get('recall_k', 'k')}",
            _number(index["recall"]),
        )
    for split in ("train", "valid"):
        for measure, label in MEASURES.items():
            if f"{split}_{measure}" in targets:
                value = _number(targets[f"{split}_{measure}"])
                yield _line(f"{split} targets against exact p_kNN", label, value)
    for row in rows:
        if row["system"] == "memory_alone" and row["metric"] in MEASURES:
            yield _line(
                f"memory against p_kNN on {row['n']:,} {row['split']} positions",
                MEASURES[str(row["metric"])],
                _interval(row),
            )


MEASURES = {
    "kl": "KL divergence (nats)",
    "total_variation": "total variation",
    "tail_mass": "mass dropped by truncation",
    "top1_agreement": "same most probable token",
}


def lineage_graph(lineage: Mapping[ArtifactRef, Manifest]) -> Iterator[str]:
    """Which artifact was made from which, as a mermaid graph."""
    yield "```mermaid"
    yield "flowchart LR"
    for ref in sorted(lineage, key=str):
        yield f'    {_node(ref)}["{ref.stage.replace("_", " ")}<br/>{ref.fingerprint[:12]}"]'
    for ref in sorted(lineage, key=str):
        sources = lineage[ref].inputs.values()
        for source in sorted(set(sources), key=str):
            yield f"    {_node(source)} --> {_node(ref)}"
    yield "```"


def next_steps(stages: Manifests) -> Iterator[str]:
    """Commands that go on from here."""
    yield '- `memdec generate PIPELINE.yaml --prompt "…"`: base and base + memory side by side'
    yield f"- `memdec artifacts show {stages['evaluation'].ref}`: the evaluation's manifest"
    yield "- `memdec artifacts diff A B`: what changed between two artifacts of a stage"
    yield f"- `memdec artifacts verify {stages['memory'].ref}`: every byte against its checksum"
    yield (
        "- The memory is a Hugging Face folder: its files are listed by "
        f"`memdec artifacts show {stages['memory'].ref}`"
    )


def _made(stage: str, figures: Figures) -> str:
    """The stage's output in a few words; figures that a stage does not give are left out."""
    parts = {
        "corpus": "{kept} of {records} records kept",
        "base_model": "{parameters} parameters",
        "tokens": "{train_tokens} training tokens",
        "embeddings": "{train_rows} + {valid_rows} keys of width {width}",
        "index": "{kind} over {rows} keys",
        "targets": "{train_rows} + {valid_rows} rows, {train_entries} training entries",
        "memory": "{parameters} parameters, {steps} steps",
    }
    template = parts.get(stage, "")
    named = {name: f"{v:,}" if isinstance(v, int) else v for name, v in figures.items()}
    try:
        return template.format_map(named)
    except KeyError:
        return ""


def _flat(figures: Mapping[str, JsonValue], prefix: str = "") -> Figures:
    flat: Figures = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}_")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _picture(title: str, name: str, pictures: Sequence[str]) -> list[str]:
    return [f"## {title}", "", f"![{title}]({name})"] if name in pictures else []


def _by_key(rows: Rows) -> dict[tuple[JsonValue, ...], Mapping[str, JsonValue]]:
    return {(row["system"], row["base"], row["split"], row["metric"]): row for row in rows}


def _bases(rows: Rows) -> list[str]:
    return list(dict.fromkeys(str(row["base"]) for row in rows if row["base"] is not None))


def _node(ref: ArtifactRef) -> str:
    return f"{ref.stage}_{ref.fingerprint[:12]}"


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _number(value: JsonValue) -> str:
    assert isinstance(value, int | float)
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.3g}"


def _percent(ratio: JsonValue) -> str:
    assert isinstance(ratio, int | float)
    return f"{100 * (ratio - 1):+.1f} %"


def _verdict(ratio: Mapping[str, JsonValue]) -> str:
    """Whether the interval leaves a doubt about the direction."""
    low, high = ratio["ci_low"], ratio["ci_high"]
    if not isinstance(low, float) or not isinstance(high, float):
        return ", too little text for an interval"
    return ", within the uncertainty" if low <= 1 <= high else ""


def _interval(row: Mapping[str, JsonValue]) -> str:
    if row["ci_low"] is None:
        return _number(row["value"])
    return f"{_number(row['value'])} ({_number(row['ci_low'])} – {_number(row['ci_high'])})"
