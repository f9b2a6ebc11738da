"""What a comparison measures beside perplexity: its rows for the table, its part of the page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from memdec_core.downstream.downstream import ByDataset
from memdec_core.downstream.downstream_table import (
    downstream_rows,
    mixed_downstream_rows,
)
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from storage.formats.row_tables import read_latency, read_results
from tasks.inputs.downstream_scores import scored_tasks
from tasks.jobs.stage_work import ShardRun
from tasks.pages.compared.audit_page import audit_sections
from tasks.pages.compared.downstream_page import downstream_sections
from tasks.pages.compared.latency_page import latency_sections
from tasks.stages.compared.measure_latency import PICTURE
from tasks.stages.compared.score_knn_lm import KnnKnobs

ADAPTED = ("dapt", "lora")
MIXED = ("dapt_small", "memory")

Row = dict[str, JsonValue]


class Measures(NamedTuple):
    """What was measured.

    Attributes:
        rows: Of downstream tasks and audits.
        sections: Lines of Markdown.
        pictures: PNG bytes by file name.
    """

    rows: list[Row]
    sections: list[list[str]]
    pictures: dict[str, bytes]


NOTHING_MEASURED = Measures([], [], {})


def compared_measures(
    run: ShardRun, names: Mapping[str, str], config: EvaluationConfig
) -> Measures:
    """Collects what was measured of all systems.

    Args:
        run: A comparison; of base 0 it may have the inputs choices_base_0, choices_knn_lm_0,
            choices_dapt_0, choices_lora_0, latency_0 and audit_0, and of the parts that are mixed
            with every base choices_memory and choices_dapt_small.
        names: Names of the bases by number.
        config: Weights to try, resamples, confidence and seed.
    """
    downstream = [
        row._asdict()
        for number, name in names.items()
        if f"choices_base_{number}" in run.job.inputs
        for row in _classified(run, number, name, config)
    ]
    audited = [
        row | {"base": name}
        for number, name in names.items()
        if (ref := run.job.inputs.get(f"audit_{number}")) is not None
        for row in read_results(run.store.readers(ref)["all"])
    ]
    timed = {
        name: run.store.readers(ref)["all"]
        for number, name in names.items()
        if (ref := run.job.inputs.get(f"latency_{number}")) is not None
    }
    pictures = {
        f"latency_{place}.png": reader.read(PICTURE) for place, reader in enumerate(timed.values())
    }
    sections = [
        *downstream_sections(downstream),
        *latency_sections({name: read_latency(reader) for name, reader in timed.items()}),
        *[
            [f"![Time per token over the size of the datastore, {name}]({picture})"]
            for name, picture in zip(timed, pictures, strict=True)
        ],
        *audit_sections(audited),
    ]
    return Measures([*downstream, *audited], sections, pictures)


def _classified(run: ShardRun, number: str, name: str, config: EvaluationConfig) -> list[ResultRow]:
    """Rows of the downstream tasks for all systems on one base."""
    (base,) = _choices(run, f"base_{number}")
    rows = downstream_rows("base", name, base, config)
    if knn := _choices(run, f"knn_lm_{number}"):
        taus = KnnKnobs.model_validate(run.job.config["knn_lm"]).taus
        rows += mixed_downstream_rows("knn_lm", name, base, knn, config, taus)
    for system in ADAPTED:
        for scores in _choices(run, f"{system}_{number}"):
            rows += downstream_rows(system, name, scores, config)
    for part in MIXED:
        for scores in _choices(run, part):
            rows += mixed_downstream_rows(part, name, base, [scores], config)
    return rows


def _choices(run: ShardRun, system: str) -> Sequence[ByDataset]:
    """A system's scores under each of its settings; none where it was not classified with."""
    ref = run.job.inputs.get(f"choices_{system}")
    return [] if ref is None else scored_tasks(run.store, ref)
