"""The files of a comparison: its tables, its pictures and the page that shows them."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from memdec_core.plots.build_plots import alpha_curve_png, systems_png
from memdec_core.plots.comparison_plots import Point, ablation_png, reliability_png
from memdec_core.scoring.alpha_search import AlphaCurve
from memdec_core.scoring.reliability import Reliability
from memdec_core.scoring.system_name import label_of
from storage.formats.data_file import ShardFolder
from storage.formats.row_tables import (
    LATENCIES,
    MIXTURE_CURVES,
    RELIABILITY_BINS,
    RESULTS,
    Row,
)
from storage.store.shard_files import ShardReader
from tasks.pages.compared.audit_page import audit_sections
from tasks.pages.compared.comparison_page import (
    ABLATION,
    RELIABILITY,
    SYSTEMS,
    alpha_picture,
    comparison_page,
)
from tasks.pages.compared.comparison_tables import ablation, number, perplexities
from tasks.pages.compared.downstream_page import downstream_sections
from tasks.pages.compared.latency_page import PICTURE, latency_sections
from tasks.pages.report_tables import Rows

Curves = Mapping[str, Mapping[str, AlphaCurve]]
"""α curves by base, then by system."""


def write_comparison(
    shard: ShardFolder,
    rows: Sequence[Row],
    curves: Curves,
    reliability: Reliability | None,
    timed: Mapping[str, ShardReader],
) -> None:
    """Write everything that a comparison leaves.

    Args:
        shard: Where.
        rows: The comparison's rows.
        curves: What the weights of the mixtures were read from.
        reliability: Of the validation targets, where there are any.
        timed: The latency of the systems, by base.
    """
    RESULTS.write(shard, rows)
    MIXTURE_CURVES.write(
        shard,
        [
            {"system": system, "base": base, "alpha": alpha, "perplexity": perplexity}
            for base, by_system in curves.items()
            for system, curve in by_system.items()
            for alpha, perplexity in curve.perplexities.items()
        ],
    )
    if reliability is not None:
        columns = ("predicted", "observed", "entries")
        points = reliability.points()
        RELIABILITY_BINS.write(shard, [dict(zip(columns, p, strict=True)) for p in points])
    times = {f"latency_{place}.png": reader for place, reader in enumerate(timed.values())}
    pictures = _pictures(rows, curves, reliability)
    pictures |= {name: reader.read(PICTURE) for name, reader in times.items()}
    for name, data in pictures.items():
        (shard.folder / name).write_bytes(data)
    sections = [
        *downstream_sections(rows),
        *latency_sections({base: LATENCIES.read(reader) for base, reader in timed.items()}),
        *[
            [f"![Time per token over the size of the datastore, {base}]({name})"]
            for base, name in zip(timed, times, strict=True)
        ],
        *audit_sections(rows),
    ]
    page = comparison_page(rows, list(pictures), sections)
    (shard.folder / "report.md").write_text(page, encoding="utf-8")


def _pictures(rows: Rows, curves: Curves, reliability: Reliability | None) -> dict[str, bytes]:
    """The plots whose data exist, by file name."""
    pictures = {SYSTEMS: systems_png(perplexities(rows))}
    for place, by_system in enumerate(curves.values()):
        if by_system:
            lines = {label_of(system): curve.perplexities for system, curve in by_system.items()}
            pictures[alpha_picture(place)] = alpha_curve_png(lines)
    if by_base := ablation(rows):
        points = {
            base: {beta: _with_interval(row) for beta, row in by_beta.items()}
            for base, by_beta in by_base.items()
        }
        pictures[ABLATION] = ablation_png(points)
    if reliability is not None:
        pictures[RELIABILITY] = reliability_png(reliability.points())
    return pictures


def _with_interval(row: Mapping[str, JsonValue]) -> Point:
    low, high = (None if row[end] is None else number(row[end]) for end in ("ci_low", "ci_high"))
    return Point(number(row["value"]), low, high)
