"""comparison: every system on every base, from scores of exactly the same positions."""

from pydantic import JsonValue

from memdec_core.scoring.scoring_config import EvaluationConfig
from tasks.comparison.compared_measures import (
    audited_rows,
    classified_rows,
    fidelity_of,
    measured_of,
    reliability_of,
    target_rows,
)
from tasks.comparison.compared_systems import compared_base, compared_places
from tasks.comparison.comparison_files import write_comparison
from tasks.inputs.scored_systems import scored_bases
from tasks.jobs.stage_work import ShardRun, StageWork
from tasks.pages.compared.comparison_tables import perplexities, reported_split


def compare_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Tune what is to be tuned on validation; write the tables, the page and the pictures.

    Args:
        run: Shard `all`; config sections `evaluation`, `knn_lm` and `windows`; inputs tokens, and
            scores by role, as `SystemName` has them: base_0, base_1, …; of each base knn_lm_0,
            rag_0, dapt_0, lora_0, …; parts to mix with every base: memory, memory_beta_1, …,
            dapt_small; and, for another corpus called general, general:tokens and scores
            general:base_0, general:memory, …. What `routed_rows` and those of `compared_measures`
            read is optional. The pipeline's evaluation and targets, where they are given, say how
            far both can be trusted.

    Returns:
        Perplexities by base and system.

    Raises:
        UserError: There is no validation text, or no test text of another corpus.
    """
    config = run.config(EvaluationConfig)
    names, places = scored_bases(run), compared_places(run, config)
    bases = {name: compared_base(run, b, name, places, config) for b, name in names.items()}
    reliability = reliability_of(run)
    rows = [row for base in bases.values() for row in base.rows]
    rows += target_rows(run, reliability)
    classified = (row for b, name in names.items() for row in classified_rows(run, b, name, config))
    table = [
        *(row._asdict() for row in rows),
        *fidelity_of(run),
        *(row._asdict() for row in classified),
        *audited_rows(run, names),
    ]
    curves = {name: base.curves for name, base in bases.items()}
    timed = measured_of(run, names, "latency")
    write_comparison(run.writer, table, curves, reliability, timed)
    return {
        f"{base} {system}": value
        for base, systems in perplexities(table).items()
        for system, value in systems.items()
    } | {"split": reported_split(table)}


WORK = StageWork(compare_shard)
