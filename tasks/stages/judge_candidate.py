"""promotion_gate: is a finished build at least as good as what is in production?"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.mixture import mix_token_log_probs
from memdec_core.scoring.alpha_search import search_alpha
from memdec_core.scoring.bootstrap import Bootstrap, Interval, perplexity_ratio_interval
from memdec_core.scoring.promotion_gate import (
    PREVIOUS_TEXT,
    GateCheck,
    interval_check,
    least_check,
    verdict,
    weight_check,
)
from memdec_core.scoring.result_row import TUNING_SPLIT
from memdec_core.scoring.scoring_config import EvaluationConfig, PromotionConfig
from memdec_core.scoring.system_comparison import Scores
from memdec_core.scoring.system_name import SystemName
from memdec_core.targets.targets_config import TargetsConfig
from storage.formats.row_tables import CHECKS
from tasks.inputs.evaluated_splits import bootstrap_of, open_splits
from tasks.inputs.finished_run import evaluation_rows
from tasks.inputs.scored_systems import only_scores, other_corpora, scored_bases
from tasks.jobs.stage_figures import TargetsFigures, TokensFigures
from tasks.jobs.stage_work import ShardRun, StageWork
from tasks.pages.gate_page import gate_page

NEW, OLD = SystemName("memory_scores"), SystemName("production_scores")
JUDGED = "test"


def judge_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Makes every check of the gate and writes the page that says what came of it.

    Args:
        run: Shard `all`; config sections `promotion`, `evaluation` and `windows`; inputs tokens,
            targets, evaluation, and scores: memory_scores, base_0, base_1, …. Where something is
            in production: production_scores (its memory on the same tokens),
            production_evaluation, and the same on its own text: previous_text:tokens,
            previous_text:base_0, …. Likewise for another corpus called general: general:tokens,
            general:memory_scores, ….

    Returns:
        Whether it passed, and why (not).

    Raises:
        UserError: There is no validation text, or no test text of another corpus.
    """
    limits = run.config(PromotionConfig)
    checks = [
        *_evidence(run, limits),
        *_on_the_domain(run, limits),
        *_targets(run),
        *_fidelity(run, limits),
        *_forgetting(run, limits),
    ]
    said = verdict(checks)
    passed = all(check.passed for check in checks)
    CHECKS.write(run.writer, [check._asdict() for check in checks])
    page = gate_page(checks, said, has_production=OLD.role in run.job.inputs)
    (run.writer.folder / "report.md").write_text(page, encoding="utf-8")
    return {"passed": passed, "why": said}


def _evidence(run: ShardRun, limits: PromotionConfig) -> Iterator[GateCheck]:
    """How much text the verdict rests on."""
    tokens = run.store.require(run.job.inputs["tokens"])
    figures = TokensFigures.of(tokens)
    for split, counts in {TUNING_SPLIT: figures.valid, JUDGED: figures.test}.items():
        documents, positions = (counts.documents, counts.positions) if counts else (0, 0)
        yield least_check(f"documents of {split}", documents, limits.min_documents)
        yield least_check(f"predicted tokens of {split}", positions, limits.min_tokens)


def _on_the_domain(run: ShardRun, limits: PromotionConfig) -> Iterator[GateCheck]:
    """The test text of the build, and of what is in production.

    New test text may be as spoilt as new training text, and then flatters whoever learnt it.
    """
    bootstrap = _bootstrap(run, "")
    for number, name in scored_bases(run).items():
        text = _Text(run, number)
        alpha = text.alpha(NEW)
        yield weight_check(name, alpha)
        alone, new = text.mixed(None), text.mixed(NEW, alpha)
        ratio = perplexity_ratio_interval(new, alone, bootstrap)
        yield interval_check("test perplexity, ratio to the base alone", name, ratio, 1.0)
        if OLD.role not in run.job.inputs:
            continue
        ratio = perplexity_ratio_interval(new, text.mixed(OLD), bootstrap)
        yield interval_check("test perplexity, ratio to production", name, ratio, 1.0)
        before = _Text(run, number, PREVIOUS_TEXT)
        new = before.mixed(NEW, alpha)
        there = _bootstrap(run, PREVIOUS_TEXT)
        ratio = perplexity_ratio_interval(new, before.mixed(OLD), there)
        said = "perplexity on the test text that production was built with, ratio to production"
        yield interval_check(said, name, ratio, 1 + limits.revision_tolerance)


class _Text:
    """The scores of one base and the memories on a corpus, with the α that each text asks for."""

    def __init__(self, run: ShardRun, number: int, corpus: str = "") -> None:
        self._run, self._corpus = run, corpus
        self._base = self._scores(SystemName("base", number))

    def alpha(self, memory: SystemName) -> float:
        """The α of a memory, tuned on the corpus's validation split."""
        config = self._run.config(EvaluationConfig)
        pair = self._base[TUNING_SPLIT], self._scores(memory)[TUNING_SPLIT]
        return search_alpha(*pair, config.alphas, refine=config.refine_alpha).alpha

    def mixed(self, memory: SystemName | None, alpha: float | None = None) -> NDArray[np.float64]:
        """Test scores of the base, alone or with a memory; its α is tuned here if none is given."""
        base_N = self._base[JUDGED]
        if memory is None:
            return base_N
        weight = self.alpha(memory) if alpha is None else alpha
        return mix_token_log_probs(base_N, self._scores(memory)[JUDGED], weight)

    def _scores(self, name: SystemName) -> Scores:
        return only_scores(self._run, name.on(self._corpus).role)


def _targets(run: ShardRun) -> Iterator[GateCheck]:
    """What the targets measured of themselves when they were built."""
    manifest = run.store.require(run.job.inputs["targets"])
    limit = TargetsConfig.model_validate(manifest.config["targets"]).max_total_variation
    figures = TargetsFigures.of(manifest)
    measured = {"train": figures.train_total_variation, "valid": figures.valid_total_variation}
    for split, value in measured.items():
        if value is not None:
            said = f"total variation between {split} targets and exact p_kNN"
            yield GateCheck(said, None, value, None, None, limit, value <= limit)


def _fidelity(run: ShardRun, limits: PromotionConfig) -> Iterator[GateCheck]:
    """How far both memories are from their own p_kNN."""
    if "production_evaluation" not in run.job.inputs:
        return
    new, old = (_kl(run, role) for role in ("evaluation", "production_evaluation"))
    if new is not None and old is not None:
        limit = old.value * (1 + limits.fidelity_tolerance)
        yield interval_check("KL divergence of the memory from p_kNN (nats)", None, new, limit)


def _kl(run: ShardRun, role: str) -> Interval | None:
    for row in evaluation_rows(run.store, run.job.inputs[role]):
        if (row["system"], row["metric"]) == ("memory_alone", "kl"):
            value, low, high = (row[key] for key in ("value", "ci_low", "ci_high"))
            assert isinstance(value, float)
            ends = (end if isinstance(end, float) else float("nan") for end in (low, high))
            return Interval(value, *ends)
    return None


def _forgetting(run: ShardRun, limits: PromotionConfig) -> Iterator[GateCheck]:
    """What base + memory loses on other corpora, mixed as on the domain."""
    for corpus in other_corpora(run.job.inputs):
        if corpus == PREVIOUS_TEXT:
            continue
        bootstrap = _bootstrap(run, corpus)
        for number, name in scored_bases(run).items():
            domain, there = _Text(run, number), _Text(run, number, corpus)
            new = there.mixed(NEW, domain.alpha(NEW))
            lost = perplexity_ratio_interval(new, there.mixed(None), bootstrap)
            said = f"perplexity on {corpus}, ratio to the base alone"
            yield interval_check(said, name, lost, limits.max_forgetting)
            if OLD.role in run.job.inputs:
                old = there.mixed(OLD, domain.alpha(OLD))
                more = perplexity_ratio_interval(new, old, bootstrap)
                limit = 1 + limits.forgetting_tolerance
                yield interval_check(
                    f"perplexity on {corpus}, ratio to production", name, more, limit
                )


def _bootstrap(run: ShardRun, corpus: str) -> Bootstrap:
    """How the test positions of a corpus, or of the domain, are resampled."""
    role = SystemName("tokens", corpus=corpus).role
    splits = open_splits(run.job, run.store, role)
    if JUDGED not in splits:
        raise UserError(
            f"config.comparison.elsewhere.{corpus or role}: no text in its test "
            "split; give it test documents or a larger test_fraction"
        )
    return bootstrap_of(splits[JUDGED].windows_W4, splits[JUDGED], run.config(EvaluationConfig))


WORK = StageWork(judge_shard)
