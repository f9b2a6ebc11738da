"""Calls stage tasks one after another and keeps what became of them."""

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import cast

from prefect.client.schemas.objects import State

from flows.planning.plan import Plan
from flows.planning.plan_explanation import estimated_seconds
from flows.running.run_result import StageResult, stage_line, stage_result
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.identity.tokenizer_sharing import SharedVocabulary
from tasks.inputs.lost_documents import check_rejects
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.pages.run_page import RUN, StageOutcome, shown_as_page
from tasks.pages.ui_artifacts import artifact_key
from tasks.running.preflight import check_neighbours, check_tokenizers
from tasks.running.progress import RunProgress, announce
from tasks.stage_tasks import task_of


class StageRunner:
    """Runs the wanted jobs of a plan.

    Attributes:
        store: The artifact store of the run.
        results: One entry per job that ran, in order.
        artifacts: The artifacts built or reused so far, in order.
        rejected: What of the documents is in no corpus, in words: rejects, files passed over.
    """

    def __init__(
        self,
        settings: RunSettings,
        wanted: Sequence[StageJob],
        force: frozenset[str],
        pipeline: str,
    ) -> None:
        self.store = Store.open(settings.store)
        self.results: list[StageResult] = []
        self.artifacts: list[ArtifactRef] = []
        self.rejected: list[str] = []
        self._outcomes: list[StageOutcome] = []
        self._settings = settings
        self._wanted = {job.ref for job in wanted}
        self._force = force
        seconds = estimated_seconds(wanted, self.store, pipeline)
        timed = [
            None if job.ref.stage in force else each
            for job, each in zip(wanted, seconds, strict=True)
        ]
        self._progress = RunProgress(timed)

    def want(self, jobs: Sequence[StageJob]) -> None:
        """Adds jobs that could not be planned before others were done."""
        self._progress.extend(len({job.ref for job in jobs} - self._wanted))
        self._wanted |= {job.ref for job in jobs}

    def __call__(self, job: StageJob) -> None:
        """Runs one job, unless the run stops before it."""
        if job.ref not in self._wanted:
            return
        again = job.ref.stage in self._force
        if again:
            self.store.start_over(job.ref)
            announce(f"building {job.ref} again; what there is of it stays in use until then")
        started = time.monotonic()
        with self._progress.stage(job.name):
            ended = task_of(job)(job, self._settings, again=again, return_state=True)
            state = cast(State[ArtifactRef], ended)
            state.result()
        seconds = round(time.monotonic() - started, 3)
        reused = state.name == "Cached"
        result = stage_result(self.store, job, seconds, reused=reused)
        announce(stage_line(result))
        if job.ref.stage == "corpus":
            self._tell_lost(job)
        self.artifacts.append(job.ref)
        self._outcomes.append(StageOutcome(job, reused, seconds))
        self.results.append(result)

    def _tell_lost(self, corpus: StageJob) -> None:
        """Tells what of the documents is not in a corpus; refuses one that lacks too much."""
        for said in check_rejects(corpus, self.store):
            announce(f"  {corpus.title}: {said}", logging.WARNING)
            self.rejected.append(said)

    def page(self, title: str, pipeline: str, flow: str) -> AbstractContextManager[None]:
        """Publishes a page on the stages of this run, in their order, once it has ended.

        Args:
            title: The run as a sentence.
            pipeline: What was run, and
            flow: by which flow: both name the page, and keep its history.
        """
        key = artifact_key(pipeline, f"{flow}-{RUN}")
        return shown_as_page(self.store, title, key, self._outcomes)

    def check_tokenizers(
        self, base_models: Sequence[StageJob], planned: SharedVocabulary | None
    ) -> None:
        """Refuses models that do not share the first one's tokenizer, before any real work."""
        if all(job.ref in self._wanted for job in base_models) and len(base_models) > 1:
            check_tokenizers(base_models, planned, self._settings)

    def check_neighbours(self, plan: Plan) -> None:
        """Refuses more neighbours than the tokens give, before any is computed."""
        if plan.targets.ref in self._wanted:
            check_neighbours(plan.embeddings, plan.targets, self.store)

    def is_complete(self, plan: Plan) -> bool:
        """Whether the run has gone through to the report."""
        return plan.report.ref in self.artifacts
