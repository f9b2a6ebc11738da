"""evaluation: bases, the memory, and bases with the memory, on exactly the same tokens."""

from pydantic import JsonValue

from memdec_core.plots.build_plots import alpha_curve_png
from memdec_core.scoring.alpha_search import AlphaCurve
from memdec_core.scoring.fidelity import measure_fidelity, sample_windows
from memdec_core.scoring.result_row import TUNING_SPLIT, ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_comparison import (
    base_rows,
    fidelity_rows,
    mixture_rows,
    perplexity_row,
)
from memdec_core.scoring.system_name import SystemName
from memdec_core.training.sparse_targets import SparseTargets
from storage.formats.row_tables import ALPHA_CURVE, RESULTS
from storage.formats.target_parquet import TargetReader
from tasks.inputs.evaluated_splits import EvaluatedSplit, bootstrap_of, open_splits
from tasks.inputs.scored_model import open_model
from tasks.inputs.scored_systems import only_scores, scored_bases
from tasks.jobs.stage_work import ShardRun, StageWork


def evaluate_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Tune α on validation, write the table and the curve.

    Args:
        run: Shard `all`; config sections `evaluation` and `windows`; inputs tokens, memory,
            targets, and scores by system: memory_scores, base_0, base_1, ….

    Returns:
        The main figures: by base α and perplexities.

    Raises:
        UserError: There is no validation text.
    """
    config = run.config(EvaluationConfig)
    splits = open_splits(run.job, run.store)
    bootstraps = {
        name: bootstrap_of(split.windows_W4, split, config) for name, split in splits.items()
    }
    memory = only_scores(run, "memory_scores")
    rows = [
        perplexity_row("memory_alone", None, name, memory[name], bootstrap)
        for name, bootstrap in bootstraps.items()
    ]
    rows += _fidelity(run, splits[TUNING_SPLIT], config)
    curves: dict[str, AlphaCurve] = {}
    for number, name in scored_bases(run).items():
        base = only_scores(run, SystemName("base", number).role)
        mixed, curves[name] = mixture_rows("memory", name, base, memory, bootstraps, config)
        rows += [*base_rows(name, base, bootstraps), *mixed]
    return _write(run, rows, curves)


def _fidelity(run: ShardRun, split: EvaluatedSplit, config: EvaluationConfig) -> list[ResultRow]:
    """How far the memory is from the targets of a sample of validation windows."""
    sample_W4 = sample_windows(split.windows_W4, config.fidelity_rows, config.seed)
    if not len(sample_W4):
        return []
    targets = TargetReader(run.readers("targets"), TUNING_SPLIT)
    assert targets.n_rows == split.windows_W4[-1] @ [0, -1, 1, 1], "one target per position"
    memory = open_model(run, "memory", config)
    measures = measure_fidelity(
        memory,
        sample_W4,
        split.read_tokens,
        lambda start, stop: SparseTargets(*targets.read(start, stop)),
    )
    return fidelity_rows(measures, bootstrap_of(sample_W4, split, config))


def _write(
    run: ShardRun, rows: list[ResultRow], curves: dict[str, AlphaCurve]
) -> dict[str, JsonValue]:
    """Tables and picture into the shard; the figures for the manifest."""
    folder = run.writer.folder
    points = {base: curve.perplexities for base, curve in curves.items()}
    RESULTS.write(run.writer, [row._asdict() for row in rows])
    ALPHA_CURVE.write(
        run.writer,
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


WORK = StageWork(evaluate_shard)
