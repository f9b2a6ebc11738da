"""comparison: every system on every base, from scores of exactly the same positions."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.scoring.alpha_search import AlphaCurve
from memdec_core.scoring.bootstrap import Bootstrap
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.scoring.system_comparison import (
    AlphaGrid,
    Bootstraps,
    base_rows,
    knn_lm_rows,
    mix_scores,
    mixture_rows,
    system_rows,
)
from tasks.comparison.compared_measures import compared_measures
from tasks.comparison.compared_routers import routed_rows
from tasks.comparison.comparison_files import write_comparison
from tasks.comparison.target_rows import fidelity_of, reliability_of, target_rows
from tasks.inputs.evaluated_splits import ELSEWHERE_SPLIT, bootstrap_of, open_splits
from tasks.inputs.open_datastore import KnnLmConfig
from tasks.inputs.scored_systems import all_scores, only_scores, scored_bases
from tasks.jobs.stage_work import ShardRun, StageWork
from tasks.pages.compared.comparison_tables import perplexities, reported_split

ADAPTED = ("rag", "dapt", "lora")
"""Systems that stand in the base's place; the others are mixed with it."""


def compare_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Tune what is to be tuned on validation; write the tables, the page and the pictures.

    Args:
        run: Shard `all`; config sections `evaluation`, `knn_lm` and `windows`; inputs tokens, and
            scores by role: base_0, base_1, …; of each base knn_lm_0, rag_0, dapt_0, lora_0, …;
            parts to mix with every base: memory, memory_beta_1, …, dapt_small; and, for another
            corpus called general, general:tokens and scores general:base_0, general:memory, ….
            What `routed_rows` and `compared_measures` read is optional.
            The pipeline's evaluation and targets, where they are given, say how far both can be
            trusted.

    Returns:
        Perplexities by base and system.

    Raises:
        UserError: There is no validation text, or no test text of another corpus.
    """
    config = run.config(EvaluationConfig)
    bootstraps = {
        name: bootstrap_of(split.windows_W4, split, config)
        for name, split in open_splits(run.job, run.store).items()
    }
    elsewhere = _corpora_elsewhere(run, config)
    rows: list[ResultRow] = []
    curves: dict[str, dict[str, AlphaCurve]] = {}
    names = scored_bases(run)
    for number, name in names.items():
        curves[name] = {}
        for system in _systems(run, number, name, bootstraps, config):
            rows += system.rows
            if system.curve is not None:
                curves[name][system.name] = system.curve
            for corpus, bootstrap in elsewhere.items():
                rows += _rows_elsewhere(run, number, name, system, corpus, bootstrap)
        if f"router_{number}" in run.job.inputs:
            alpha = curves[name]["memory"].alpha
            rows += routed_rows(run, number, name, alpha, bootstraps, elsewhere)
    reliability = reliability_of(run)
    rows += target_rows(run, reliability)
    measures = compared_measures(run, names, config)
    table = [*(row._asdict() for row in rows), *fidelity_of(run), *measures.rows]
    write_comparison(run.writer.folder, table, curves, reliability, measures)
    return {
        f"{base} {system}": value
        for base, systems in perplexities(table).items()
        for system, value in systems.items()
    } | {"split": reported_split(table)}


class _System(NamedTuple):
    """A system on one base, tuned: its rows, where its scores are, and how they are mixed in.

    Attributes:
        name: In the table.
        role: The input that holds its scores.
        rows: On the domain.
        setting: Which of its scores count.
        weight: Of these in the mixture with the base; 1 where it stands in the base's place.
        curve: What the weight was read from, of a mixture with one setting.
    """

    name: str
    role: str
    rows: list[ResultRow]
    setting: int = 0
    weight: float = 1.0
    curve: AlphaCurve | None = None


def _systems(
    run: ShardRun, number: str, name: str, bootstraps: Bootstraps, config: EvaluationConfig
) -> Iterator[_System]:
    """All systems on one base."""
    inputs = run.job.inputs
    grid = AlphaGrid(config.alphas, config.refine_alpha)
    base = only_scores(run, f"base_{number}")
    yield _System("base", f"base_{number}", base_rows(name, base, bootstraps))
    if (role := f"knn_lm_{number}") in inputs:
        taus = run.config(KnnLmConfig).taus
        knn = all_scores(run, role)
        rows, choice = knn_lm_rows(name, base, knn, bootstraps, taus, grid)
        yield _System("knn_lm", role, rows, taus.index(choice.tau), choice.weight)
    for system in ADAPTED:
        if (role := f"{system}_{number}") in inputs:
            scores = only_scores(run, role)
            yield _System(system, role, system_rows(system, name, scores, base, bootstraps))
    for part in sorted(inputs):
        if part == "dapt_small" or re.fullmatch(r"memory(_.+)?", part):
            scores = only_scores(run, part)
            rows, curve = mixture_rows(part, name, base, scores, bootstraps, grid)
            yield _System(part, part, rows, weight=curve.alpha, curve=curve)


def _corpora_elsewhere(run: ShardRun, config: EvaluationConfig) -> dict[str, Bootstrap]:
    """Resampling of the test split of the corpora beside the domain, by name."""
    found = {}
    for role in run.job.inputs:
        corpus, _, kind = role.rpartition(":")
        if corpus and kind == "tokens":
            splits = open_splits(run.job, run.store, role)
            if ELSEWHERE_SPLIT not in splits:
                raise UserError(
                    f"config.comparison.elsewhere.{corpus}: no text in its test split; give it "
                    "test documents or a larger test_fraction"
                )
            split = splits[ELSEWHERE_SPLIT]
            found[corpus] = bootstrap_of(split.windows_W4, split, config)
    return found


def _rows_elsewhere(
    run: ShardRun, number: str, name: str, system: _System, corpus: str, bootstrap: Bootstrap
) -> list[ResultRow]:
    """A system's rows on another corpus, mixed as it was tuned on the domain."""
    role = f"{corpus}:{system.role}"
    if role not in run.job.inputs:
        return []
    base = {corpus: only_scores(run, f"{corpus}:base_{number}")[ELSEWHERE_SPLIT]}
    if system.name == "base":
        return base_rows(name, base, {corpus: bootstrap})
    part = {corpus: all_scores(run, role)[ELSEWHERE_SPLIT][system.setting]}
    mixed = mix_scores(base, part, system.weight)
    return system_rows(system.name, name, mixed, base, {corpus: bootstrap})


WORK = StageWork(compare_shard)
