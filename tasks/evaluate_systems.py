"""evaluation: bases, the memory, and bases with the memory, on exactly the same tokens."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.client.schemas.objects import State
from pydantic import JsonValue

from memdec_core.alpha_search import AlphaCurve
from memdec_core.evaluation_config import EvaluationConfig
from memdec_core.fidelity import measure_fidelity, sample_windows
from memdec_core.language_model import TransformerLM
from memdec_core.plots import alpha_curve_png
from memdec_core.system_comparison import (
    TUNING_SPLIT,
    ResultRow,
    compare_with_base,
    fidelity_rows,
    perplexity_row,
)
from storage.artifact_ref import ArtifactRef
from storage.result_tables import write_alpha_curve, write_results
from storage.target_parquet import TargetReader
from tasks.evaluation_inputs import (
    EvaluatedSplit,
    base_roles,
    bootstrap_of,
    check_bases,
    name_bases,
    open_splits,
    open_system,
    score_splits,
)
from tasks.run_settings import RunSettings
from tasks.shard_run import ShardRun
from tasks.stage_job import StageJob
from tasks.stage_run import STAGE_TASK, StageWork, run_stage

Splits = dict[str, EvaluatedSplit]
Scores = dict[str, NDArray[np.float64]]


def evaluate_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Score all systems, tune α on validation, write the table and the curve.

    One model is in memory at a time: a mixture's scores follow from its parts'.

    Args:
        run: Shard `all`; config sections `evaluation` and `windows`; inputs tokens, memory,
            targets, base_0, base_1, ….

    Returns:
        The main figures: positions by split, and by base α and perplexities.

    Raises:
        UserError: A base has another tokenizer than the memory, a model's context is shorter than
            the windows, or there is no validation text.
    """
    config = EvaluationConfig.model_validate(run.job.config["evaluation"])
    splits = open_splits(run, config)
    roles = base_roles(run.job.inputs)
    names = name_bases(run.store, {role: run.job.inputs[role] for role in roles})
    check_bases(run, names)
    memory, rows = _evaluate_memory(run, splits, config)
    curves: dict[str, AlphaCurve] = {}
    for number, (role, name) in enumerate(names.items(), start=1):
        base = open_system(run, role, config)
        scores = score_splits(base, splits, run.settings, _part(run, number, name))
        del base  # before the next one is loaded
        base_rows, curves[name] = compare_with_base(
            name,
            scores,
            memory,
            {split: opened.bootstrap for split, opened in splits.items()},
            alphas=config.alphas,
            refine_alpha=config.refine_alpha,
        )
        rows += base_rows
    return _write(run, rows, curves)


def _evaluate_memory(
    run: ShardRun, splits: Splits, config: EvaluationConfig
) -> tuple[Scores, list[ResultRow]]:
    """The memory's scores, and the rows that depend on no base."""
    memory = open_system(run, "memory", config)
    scores = score_splits(memory, splits, run.settings, _part(run, 0, "memory"))
    rows = [
        perplexity_row("memory_alone", None, name, scores[name], split.bootstrap)
        for name, split in splits.items()
    ]
    return scores, rows + _fidelity(run, memory, splits[TUNING_SPLIT], config)


def _part(run: ShardRun, number: int, system: str) -> Callable[[float, str], None]:
    """Progress of one system among the memory and the bases."""
    parts = 1 + len(base_roles(run.job.inputs))

    def report(fraction: float, split: str) -> None:
        run.report((number + fraction) / parts, f"{system}, {split}")

    return report


def _fidelity(
    run: ShardRun, memory: TransformerLM, split: EvaluatedSplit, config: EvaluationConfig
) -> list[ResultRow]:
    """How far the memory is from the targets of a sample of validation windows."""
    sample_W4 = sample_windows(split.windows_W4, config.fidelity_rows, config.seed)
    if not len(sample_W4):
        return []
    targets = TargetReader(run.store.readers(run.job.inputs["targets"]), TUNING_SPLIT)
    assert targets.n_rows == split.windows_W4[-1] @ [0, -1, 1, 1], "one target per position"
    measures = measure_fidelity(memory, sample_W4, split.read_tokens, targets.read)
    return fidelity_rows(measures, bootstrap_of(sample_W4, split.offsets_D1, config))


def _write(
    run: ShardRun, rows: list[ResultRow], curves: dict[str, AlphaCurve]
) -> dict[str, JsonValue]:
    """Tables and picture into the shard; the figures for the manifest."""
    folder = run.writer.folder
    points = {
        base: dict(zip(curve.alphas_G.tolist(), curve.perplexities_G.tolist(), strict=True))
        for base, curve in curves.items()
    }
    write_results(folder, [row._asdict() for row in rows])
    write_alpha_curve(
        folder,
        [
            {"base": base, "alpha": alpha, "perplexity": perplexity}
            for base, curve in points.items()
            for alpha, perplexity in curve.items()
        ],
    )
    (folder / "alpha_curve.png").write_bytes(alpha_curve_png(points))
    figures: dict[str, JsonValue] = {}
    for row in rows:
        if row.base is None:
            figures[f"{row.system} {row.split} {row.metric}"] = row.value
        else:
            figures[f"{row.base} {row.system} {row.split} {row.metric}"] = row.value
    return figures


@task(**STAGE_TASK)
def evaluate_systems(job: StageJob, settings: RunSettings) -> State[ArtifactRef]:
    """Compares base, memory and base with memory."""
    return run_stage(job, settings, StageWork(evaluate_shard))
