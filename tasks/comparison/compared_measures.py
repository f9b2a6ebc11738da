"""What a comparison measures beside perplexity, as rows of its table."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from pydantic import JsonValue

from memdec_core.downstream.downstream_table import (
    downstream_rows,
    mixed_downstream_rows,
)
from memdec_core.scoring.reliability import Reliability, measure_reliability
from memdec_core.scoring.result_row import TUNING_SPLIT, ResultRow, value_rows
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_name import KINDS, Kind, SystemName
from memdec_core.training.sparse_targets import SparseTargets
from storage.formats.row_tables import RESULTS
from storage.formats.target_parquet import TargetReader
from storage.store.shard_files import ShardReader
from tasks.inputs.downstream_inputs import scored_tasks
from tasks.inputs.open_datastore import KnnLmConfig
from tasks.inputs.scored_systems import systems_on
from tasks.jobs.stage_work import ShardRun
from tasks.pages.compared.comparison_tables import BETA
from tasks.pages.report_tables import MEASURES, Rows


def classified_rows(
    run: ShardRun, number: int, base_name: str, config: EvaluationConfig
) -> Iterator[ResultRow]:
    """Rows of the downstream tasks for all systems on one base.

    Args:
        run: A comparison; of base 0 it may have the inputs choices_base_0, choices_knn_lm_0,
            choices_dapt_0, choices_lora_0, and of the parts that are mixed with every base
            choices_memory and choices_dapt_small.
        number: Of the base.
        base_name: Of the base in the table.
        config: Weights to try, resamples, confidence and seed.
    """
    inputs = run.job.inputs
    names = [name for name in systems_on(inputs, number) if name.choices in inputs]
    settings = {name: scored_tasks(run.store, inputs[name.choices]) for name in names}
    for name, parts in settings.items():
        base, scored = settings[SystemName("base", number)][0], KINDS[name.kind].scored
        if scored == "in place":
            yield from downstream_rows(name.system, base_name, parts[0], config)
        else:
            taus = run.config(KnnLmConfig).taus if scored == "under settings" else ()
            yield from mixed_downstream_rows(name.system, base_name, base, parts, config, taus)


def audited_rows(run: ShardRun, names: Mapping[int, str]) -> Iterator[dict[str, JsonValue]]:
    """Rows of the audits of text learnt by heart, under the names of the bases by number."""
    for name, reader in measured_of(run, names, "audit").items():
        yield from (row | {"base": name} for row in RESULTS.read(reader))


def measured_of(run: ShardRun, names: Mapping[int, str], kind: Kind) -> dict[str, ShardReader]:
    """What was measured of each base, by the base's name; audits or latencies."""
    return {
        base_name: run.only(role)
        for number, base_name in names.items()
        if (role := SystemName(kind, number).role) in run.job.inputs
    }


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
