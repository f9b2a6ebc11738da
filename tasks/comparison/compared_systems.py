"""All systems on one base: from scores to rows, tuned on validation and measured everywhere."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from memdec_core.errors import UserError
from memdec_core.models.mixture import mix_token_log_probs
from memdec_core.router.alpha_router import RoutedScores, route_scores
from memdec_core.router.router_features import FEATURES
from memdec_core.router.router_table import router_rows
from memdec_core.scoring.alpha_search import AlphaCurve
from memdec_core.scoring.bootstrap import Bootstrap
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_comparison import (
    Bootstraps,
    base_rows,
    knn_lm_rows,
    mixture_rows,
    system_rows,
)
from memdec_core.scoring.system_name import KINDS, SystemName
from storage.formats.position_columns import read_features, read_routed
from tasks.inputs.evaluated_splits import (
    ELSEWHERE_SPLIT,
    EVALUATED_SPLITS,
    bootstrap_of,
    open_splits,
)
from tasks.inputs.open_datastore import KnnLmConfig, open_router
from tasks.inputs.scored_systems import (
    only_setting,
    other_corpora,
    scores_everywhere,
    systems_on,
)
from tasks.jobs.stage_work import ShardRun


class ComparedBase(NamedTuple):
    """What a comparison finds on one base.

    Attributes:
        rows: Of every system, on the splits of the domain and on the corpora elsewhere.
        curves: What the weights of the mixtures were read from, by system.
    """

    rows: list[ResultRow]
    curves: Mapping[str, AlphaCurve]


def compared_places(run: ShardRun, config: EvaluationConfig) -> dict[str, Bootstrap]:
    """How positions are resampled: of valid and test, and of the other corpora's test splits.

    Raises:
        UserError: There is no validation text, or no test text of another corpus.
    """
    splits = open_splits(run.job, run.store)
    for corpus in other_corpora(run.job.inputs):
        there = open_splits(run.job, run.store, SystemName("tokens", corpus=corpus).role)
        if ELSEWHERE_SPLIT not in there:
            raise UserError(
                f"config.comparison.elsewhere.{corpus}: no text in its test split; give it "
                "test documents or a larger test_fraction"
            )
        splits[corpus] = there[ELSEWHERE_SPLIT]
    return {name: bootstrap_of(split.windows_W4, split, config) for name, split in splits.items()}


def compared_base(
    run: ShardRun, number: int, base_name: str, bootstraps: Bootstraps, config: EvaluationConfig
) -> ComparedBase:
    """Makes the rows of all systems on a base.

    Args:
        run: A comparison.
        number: Of the base.
        base_name: Of the base in the table.
        bootstraps: As `compared_places` gives them.
        config: Weights to try.
    """
    rows: list[ResultRow] = []
    curves: dict[str, AlphaCurve] = {}
    base = only_setting(scores_everywhere(run, SystemName("base", number)))
    for name in systems_on(run.job.inputs, number):
        scores, scored = scores_everywhere(run, name), KINDS[name.kind].scored
        if name.kind == "base":
            rows += base_rows(base_name, base, bootstraps)
        elif scored == "under settings":
            taus = run.config(KnnLmConfig).taus
            rows += knn_lm_rows(base_name, base, scores, bootstraps, taus, config)
        elif scored == "in place":
            rows += system_rows(name.system, base_name, only_setting(scores), base, bootstraps)
        else:
            part = only_setting(scores)
            mixed, curve = mixture_rows(name.system, base_name, base, part, bootstraps, config)
            rows, curves[name.system] = rows + mixed, curve
    if SystemName("router", number).role in run.job.inputs:
        rows += routed_rows(run, number, base_name, curves["memory"].alpha, bootstraps)
    return ComparedBase(rows, curves)


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
    router, reader = open_router(run.store, fitted), run.store.only(fitted)
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
