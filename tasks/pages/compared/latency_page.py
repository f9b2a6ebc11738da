"""What generation takes with every system, as a part of the comparison's page."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from memdec_core.plots.latency_plot import SYSTEM_LABELS
from tasks.pages.report_tables import markdown_row, readable

PICTURE = "latency.png"
"""Of one base, beside its table."""

NOTE = (
    "Greedy generation of one text, warm. Times are medians over rounds in which every system "
    "continues the same prompt in turn. The ratio is that of the time per token after the first to "
    "the base's in the same round, with the quartiles over the rounds; beside it, (base + memory) "
    "/ base of the operations per token. Memory and disk: weights, index and what follows its "
    "keys. Weights of mixtures are .5, not tuned: the work is the same. Datastores larger than the "
    "base's own are filled up with copies of its keys, moved a little. Systems without a size of "
    "datastore search none, so that they are measured once per length of prompt."
)
COLUMNS = (
    "system",
    "prompt (tokens)",
    "datastore (rows)",
    "ratio",
    "operations",
    "tokens/s",
    "first token (ms)",
    "memory (MB)",
    "disk (MB)",
)

LatencyRow = Mapping[str, JsonValue]


def latency_sections(tables: Mapping[str, Sequence[LatencyRow]]) -> list[list[str]]:
    """Sections of Markdown, as lists of lines.

    Args:
        tables: Rows of `storage.formats.row_tables` by name of the base.

    Returns:
        A heading with a note, and a section per base; none where nothing was measured.
    """
    if not tables:
        return []
    heading = ["## Time and memory of generation", "", NOTE]
    return [heading, *(_section(base, rows) for base, rows in tables.items())]


def _section(base: str, rows: Sequence[LatencyRow]) -> list[str]:
    return [f"### {base}", "", *_table(rows), "", _machine(rows[0])]


def _table(rows: Sequence[LatencyRow]) -> Iterator[str]:
    yield markdown_row(*COLUMNS)
    yield markdown_row("---", *["--:"] * (len(COLUMNS) - 1))
    for row in sorted(rows, key=_place):
        flops, datastore_rows = row["flops_ratio"], row["datastore_rows"]
        yield markdown_row(
            SYSTEM_LABELS[str(row["system"])],
            f"{row['context']:,}",
            "" if datastore_rows is None else f"{datastore_rows:,}",
            _ratio(row),
            "" if flops is None else readable(flops),
            readable(row["tokens_per_second"]),
            readable(row["first_token_ms"]),
            _megabytes(row["memory_bytes"]),
            _megabytes(row["disk_bytes"]),
        )


def _place(row: LatencyRow) -> tuple[int, int, int]:
    context, datastore_rows = row["context"], row["datastore_rows"] or 0
    assert isinstance(context, int)
    assert isinstance(datastore_rows, int)
    return context, list(SYSTEM_LABELS).index(str(row["system"])), datastore_rows


def _ratio(row: LatencyRow) -> str:
    if row["system"] == "base":
        return "1"
    return (
        f"{readable(row['ratio'])} ({readable(row['ratio_low'])} – {readable(row['ratio_high'])})"
    )


def _megabytes(value: JsonValue) -> str:
    assert isinstance(value, int)
    return f"{value / 1e6:,.1f}"


def _machine(row: LatencyRow) -> str:
    return (
        f"Measured on a machine with {row['cores']} processor cores; models ran on: "
        f"{row['device']}, with {row['threads']} threads for work on the processor."
    )
