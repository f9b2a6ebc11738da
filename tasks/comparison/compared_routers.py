"""The comparison's rows of base and memory with an adaptive α, on the domain and elsewhere."""

from collections.abc import Iterator, Mapping

from memdec_core.models.mixture import mix_token_log_probs
from memdec_core.router.alpha_router import RoutedScores, route_scores
from memdec_core.router.router_features import FEATURES
from memdec_core.router.router_table import router_rows
from memdec_core.scoring.bootstrap import Bootstrap
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.system_comparison import Bootstraps
from storage.formats.position_columns import read_features, read_routed
from tasks.inputs.evaluated_splits import ELSEWHERE_SPLIT
from tasks.inputs.open_router import open_router
from tasks.inputs.scored_systems import only_scores
from tasks.jobs.stage_work import ShardRun


def routed_rows(
    run: ShardRun,
    number: str,
    name: str,
    alpha: float,
    bootstraps: Bootstraps,
    elsewhere: Mapping[str, Bootstrap],
) -> Iterator[ResultRow]:
    """Rows of one base's router.

    Args:
        run: A comparison; of base 0 its inputs are base_0, memory and router_0, and for another
            corpus called general: general:base_0, general:memory and general:router_features_0.
        number: Of the base.
        name: Of the base in the table.
        alpha: The constant that the same memory was tuned to.
        bootstraps: Resampling by split of the domain.
        elsewhere: Resampling of other corpora, by name.
    """
    base, memory = only_scores(run, f"base_{number}"), only_scores(run, "memory")
    reader = run.only(f"router_{number}")
    for split, bootstrap in bootstraps.items():
        routed = RoutedScores(*read_routed(reader, split))
        constant_N = mix_token_log_probs(base[split], memory[split], alpha)
        yield from router_rows(name, split, routed, base[split], constant_N, bootstrap)
    for corpus, bootstrap in elsewhere.items():
        base_N, memory_N = (
            only_scores(run, f"{corpus}:{role}")[ELSEWHERE_SPLIT]
            for role in (f"base_{number}", "memory")
        )
        router = open_router(run.store, run.job.inputs[f"router_{number}"])
        features = run.readers(f"{corpus}:router_features_{number}")
        features_NF = read_features(features[ELSEWHERE_SPLIT], FEATURES)
        routed = route_scores(router, features_NF, base_N, memory_N)
        constant_N = mix_token_log_probs(base_N, memory_N, alpha)
        yield from router_rows(name, corpus, routed, base_N, constant_N, bootstrap)
