"""What a comparison says of the memory's targets: how close it is to them, and they to the text."""

from itertools import pairwise

from memdec_core.scoring.reliability import Reliability, measure_reliability
from memdec_core.scoring.result_row import TUNING_SPLIT, ResultRow, value_rows
from memdec_core.training.sparse_targets import SparseTargets
from storage.formats.row_tables import RESULTS
from storage.formats.target_parquet import TargetReader
from tasks.jobs.stage_work import ShardRun
from tasks.pages.compared.comparison_tables import BETA
from tasks.pages.report_tables import MEASURES, Rows


def fidelity_of(run: ShardRun) -> Rows:
    """The evaluation's rows of the memory's distance to p_kNN; none without an evaluation."""
    if "evaluation" not in run.job.inputs:
        return []
    rows = RESULTS.read(run.only("evaluation"))
    return [row for row in rows if row["metric"] in MEASURES]


def reliability_of(run: ShardRun) -> Reliability | None:
    """Reliability of the validation targets, one row group in memory at a time."""
    if "targets" not in run.job.inputs:
        return None
    reader = TargetReader(run.readers("targets"), TUNING_SPLIT)
    starts = reader.group_starts.tolist()
    return measure_reliability(SparseTargets(*reader.read(*rows)) for rows in pairwise(starts))


def target_rows(run: ShardRun, reliability: Reliability | None) -> list[ResultRow]:
    """Rows of the targets' reliability, and of the memory's own β where its manifest has one."""
    rows = []
    if reliability is not None:
        n = reliability.positions
        rows += value_rows("targets", None, TUNING_SPLIT, reliability.figures, n)
    if "memory" in run.job.inputs:
        scores = run.store.require(run.job.inputs["memory"])
        training = run.store.require(scores.inputs["model"]).config.get("training")
        if isinstance(training, dict) and isinstance(beta := training.get("beta"), int | float):
            rows.append(ResultRow("memory", None, TUNING_SPLIT, BETA, float(beta), None, None, 0))
    return rows
