"""After a finished build: the promotion gate, and the decision that follows from it."""

from collections.abc import Sequence
from typing import NamedTuple

from prefect.runtime import flow_run

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan, release_of
from flows.planning.planned_gate import plan_gate
from flows.running.announced_decision import announce_decision
from flows.running.run_result import Outcome, Promotion
from flows.running.stage_runner import StageRunner
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.pins import pin
from storage.store.production import (
    Decision,
    Release,
    in_production,
    read_decisions,
    record_decision,
    rejection,
)
from tasks.identity.tokenizer_sharing import tokenizer_difference
from tasks.jobs.stage_figures import GateFigures


def decide_promotion(
    run: StageRunner, config: PipelineConfig, plan: Plan, trial: str = ""
) -> Promotion:
    """Puts a finished build into production if it is at least as good as what is there.

    A memory that somebody has rolled back stays out. Should somebody else decide meanwhile, the
    build is compared with the outcome of that.

    Args:
        run: The run that made it.
        config: Its pipeline.
        plan: What it made.
        trial: Why it stays a candidate even if it passes; empty if it does not.

    Raises:
        UserError: A corpus of `comparison.elsewhere` cannot be used.
        StorageError: The store could not be read or written.
    """
    candidate = release_of(plan)
    while True:
        decisions = read_decisions(run.store, config.name)
        current = in_production(decisions)
        if current is not None and current.release == candidate:
            return Promotion(outcome="promoted", why="it is in production already")
        judged = _judge(run, config, plan, decisions)
        outcome = _outcome(judged, trial)
        decision = Decision(
            action="promoted" if outcome == "promoted" else "kept_back",
            release=candidate,
            artifacts=[job.ref for job in plan.jobs()],
            gate=judged.gate,
            who=f"flow run {flow_run.get_name()} ({flow_run.get_id()})",
            why=f"{judged.why}, but {trial}" if outcome == "candidate" else judged.why,
        )
        if record_decision(run.store, config.name, decision, after=len(decisions)):
            break
    announce_decision(run.store, config.name)
    return Promotion(outcome=outcome, why=decision.why)


class _Judged(NamedTuple):
    """What came of the gate; without one, the candidate is a person's to decide on."""

    passed: bool
    why: str
    gate: ArtifactRef | None


def _judge(
    run: StageRunner, config: PipelineConfig, plan: Plan, decisions: Sequence[Decision]
) -> _Judged:
    """Runs the gate, unless the candidate is a person's to decide on."""
    candidate = release_of(plan)
    current = in_production(decisions)
    production = None if current is None else current.release
    why = _rolled_back(candidate, decisions) or _incomparable(run.store, candidate, production)
    if why:
        return _Judged(passed=False, why=why, gate=None)
    planned = plan_gate(config, plan, run.store, production)
    run.want(planned)
    with pin(run.store, [job.ref for job in planned]):
        for job in planned:
            run(job)
        figures = GateFigures.of(run.store.require(planned[-1].ref))
    return _Judged(figures.passed, figures.why, planned[-1].ref)


def _outcome(judged: _Judged, trial: str) -> Outcome:
    if not judged.passed:
        return "kept_back"
    return "candidate" if trial else "promoted"


def _rolled_back(candidate: Release, decisions: Sequence[Decision]) -> str:
    by = rejection(decisions, candidate)
    if by is None:
        return ""
    return f"{by.who} has rolled it back ({by.why}); `memdec promote` brings it in again, no run"


def _incomparable(store: Store, candidate: Release, production: Release | None) -> str:
    if production is None:
        return ""
    said = tokenizer_difference(store, candidate.memory, production.memory)
    if not said:
        return ""
    return (
        f"its tokenizer is not production's, so that their perplexities cannot be compared: {said} "
        "Look at its report and promote it by hand"
    )
