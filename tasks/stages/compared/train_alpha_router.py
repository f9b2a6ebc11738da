"""alpha_router: a weight of the memory for every token, learnt on the validation split."""

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.router.alpha_router import RoutedScores, route_scores
from memdec_core.router.alpha_router_config import AlphaRouterConfig
from memdec_core.router.router_features import FEATURES
from memdec_core.router.router_table import alpha_figures
from memdec_core.router.router_training import RouterFit, Tokens, fit_router
from memdec_core.scoring.bootstrap import cluster_starts
from memdec_core.scoring.perplexity import perplexity
from memdec_core.scoring.result_row import TUNING_SPLIT
from storage.formats.array_files import write_router
from storage.formats.position_columns import read_features, write_routed
from tasks.inputs.evaluated_splits import EvaluatedSplit, open_splits
from tasks.inputs.scored_systems import only_scores, tuned_alpha
from tasks.jobs.stage_work import ShardRun, StageWork


def train_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Fit the router on valid; write it, and what it makes of valid and test.

    Args:
        run: Shard `all`; config sections `alpha_router`, `alpha` and `windows`; inputs tokens,
            features, base_scores and memory_scores.

    Returns:
        What the held-out documents chose; by split perplexity, and α's mean and quantiles.

    Raises:
        UserError: There is too little validation text to hold any out.
    """
    splits = open_splits(run.job, run.store)
    features = run.readers("features")
    base, memory = (only_scores(run, f"{part}_scores") for part in ("base", "memory"))
    parts = {
        name: (read_features(features[name], FEATURES), base[name], memory[name]) for name in splits
    }
    alpha = tuned_alpha(run)
    config = run.config(AlphaRouterConfig)
    starts_C = _documents(splits[TUNING_SPLIT])
    fit = fit_router(Tokens.of(*parts[TUNING_SPLIT]), starts_C, alpha, config)
    chosen = _chosen(fit) | {"constant_alpha": alpha}
    facts = chosen | config.model_dump(mode="json") | {"features": [*FEATURES]}
    write_router(run.writer.folder, fit.router.arrays(), facts)
    figures: dict[str, JsonValue] = {}
    for name, part in parts.items():
        routed = route_scores(fit.router, *part)
        write_routed(run.writer, name, *routed)
        figures[name] = _figures(routed)
    return chosen | figures


def _documents(split: EvaluatedSplit) -> NDArray[np.int64]:
    """First position of every document."""
    offsets_D1 = split.offsets_D1 if split.scope == "document" else None
    return cluster_starts(split.windows_W4, offsets_D1)


def _chosen(fit: RouterFit) -> dict[str, JsonValue]:
    return {
        "penalty": fit.penalty,
        "steps": fit.steps,
        "fitted_positions": fit.fitted_positions,
        "held_out_positions": fit.held_out_positions,
        "held_out_ratio": float(np.exp(-fit.held_out_gain)),
    }


def _figures(routed: RoutedScores) -> dict[str, JsonValue]:
    return {"perplexity": perplexity(routed.log_probs_N), **alpha_figures(routed.alphas_N)}


WORK = StageWork(train_shard)
