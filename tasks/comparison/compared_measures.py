"""What a comparison measures beside perplexity, as rows of its table."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from memdec_core.downstream.downstream_table import (
    downstream_rows,
    mixed_downstream_rows,
)
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_name import KINDS, Kind, SystemName
from storage.formats.row_tables import RESULTS
from storage.store.shard_files import ShardReader
from tasks.inputs.downstream_scores import scored_tasks
from tasks.inputs.open_datastore import KnnLmConfig
from tasks.inputs.scored_systems import systems_on
from tasks.jobs.stage_work import ShardRun


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
