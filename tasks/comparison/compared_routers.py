"""The comparison's rows of base and memory with an adaptive α, on the domain and elsewhere."""

from collections.abc import Iterator

from memdec_core.models.mixture import mix_token_log_probs
from memdec_core.router.alpha_router import RoutedScores, route_scores
from memdec_core.router.router_features import FEATURES
from memdec_core.router.router_table import router_rows
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.system_comparison import Bootstraps
from memdec_core.scoring.system_name import SystemName
from storage.formats.position_columns import read_features, read_routed
from tasks.inputs.evaluated_splits import ELSEWHERE_SPLIT, EVALUATED_SPLITS
from tasks.inputs.open_router import open_router
from tasks.inputs.scored_systems import only_setting, scores_everywhere
from tasks.jobs.stage_work import ShardRun


def routed_rows(
    run: ShardRun, number: int, base_name: str, alpha: float, bootstraps: Bootstraps
) -> Iterator[ResultRow]:
    """Rows of one base's router.

    Args:
        run: A comparison; of base 0 its inputs are base_0, memory and router_0, and for another
            corpus called general: general:base_0, general:memory and general:router_features_0.
        number: Of the base.
        base_name: Of the base in the table.
        alpha: The constant that the same memory was tuned to.
        bootstraps: Resampling by split of the domain and by corpus elsewhere.
    """
    base = only_setting(scores_everywhere(run, SystemName("base", number)))
    memory = only_setting(scores_everywhere(run, SystemName("memory")))
    fitted = run.job.inputs[SystemName("router", number).role]
    router, reader = open_router(run.store, fitted), run.store.readers(fitted)["all"]
    for place, bootstrap in bootstraps.items():
        if place in EVALUATED_SPLITS:
            routed = RoutedScores(*read_routed(reader, place))
        else:
            features = run.job.inputs[SystemName("router_features", number, corpus=place).role]
            shard = run.store.readers(features)[ELSEWHERE_SPLIT]
            features_NF = read_features(shard, FEATURES)
            routed = route_scores(router, features_NF, base[place], memory[place])
        constant_N = mix_token_log_probs(base[place], memory[place], alpha)
        yield from router_rows(base_name, place, routed, base[place], constant_N, bootstrap)
