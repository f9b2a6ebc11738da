"""domains: the comparisons of several corpora as one table and one page."""

from collections.abc import Mapping

from pydantic import JsonValue

from memdec_core.plots.build_plots import systems_png
from memdec_core.plots.comparison_plots import forgetting_png
from memdec_core.scoring.system_name import SystemName, label_of
from storage.formats.row_tables import JOINT_RESULTS, LATENCIES
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.comparison.joint_rows import joint_rows
from tasks.jobs.stage_work import ShardRun, StageWork
from tasks.pages.compared.comparison_tables import FORGETTING, number
from tasks.pages.compared.domains_page import domains_page, forgetting_picture, systems_picture
from tasks.pages.compared.domains_tables import (
    forgetting_matrix,
    is_measured_elsewhere,
    joint_bases,
    reported_rows,
    values_by_corpus,
)
from tasks.pages.compared.latency_page import latency_sections
from tasks.pages.report_tables import Rows


def join_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Write the joint table, the page and its pictures.

    Args:
        run: Shard `all`; inputs: the comparisons, by corpus (the pipelines' names).

    Returns:
        The memory's ratio to every base on every corpus.
    """
    comparisons = dict(sorted(run.job.inputs.items()))
    rows = joint_rows(run.store, comparisons)
    folder = run.writer.folder
    JOINT_RESULTS.write(run.writer, rows)
    pictures = _pictures(rows)
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    timed = latency_sections(_timed(run.store, comparisons))
    page = domains_page(rows, comparisons, list(pictures), timed)
    (folder / "report.md").write_text(page, encoding="utf-8")
    return {
        f"{corpus} {base} memory ratio": row["value"]
        for base in joint_bases(rows)
        for corpus, row in reported_rows(rows, base, "perplexity_ratio").get("memory", {}).items()
    }


def _timed(
    store: Store, comparisons: Mapping[str, ArtifactRef]
) -> dict[str, list[dict[str, JsonValue]]]:
    """What a token takes, by corpus and base, where it was measured."""
    tables = [
        (corpus, LATENCIES.read(store.only(inputs[name.role])))
        for corpus, comparison in comparisons.items()
        for inputs in [store.require(comparison).inputs]
        for name in SystemName.among(inputs, "latency")
    ]
    return {f"{corpus}, {rows[0]['base']}": rows for corpus, rows in tables}


def _pictures(rows: Rows) -> dict[str, bytes]:
    """The plots whose data exist, by file name."""
    pictures = {}
    for place, base in enumerate(joint_bases(rows)):
        pictures[systems_picture(place)] = systems_png(values_by_corpus(rows, base))
        matrices = {
            label_of(system): {
                domain: {corpus: number(row["value"]) for corpus, row in cells.items()}
                for domain, cells in matrix.items()
            }
            for system in FORGETTING
            if (matrix := forgetting_matrix(rows, base, system))
        }
        if matrices and is_measured_elsewhere(rows):
            pictures[forgetting_picture(place)] = forgetting_png(matrices)
    return pictures


WORK = StageWork(join_shard)
