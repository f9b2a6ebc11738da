"""A finished tiny pipeline with documents of its own, which may be edited and looked at."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flows.config.config_file import load_config
from flows.config.pipeline_config import PipelineConfig
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tests.support.tiny_run import TinyRun

Record = dict[str, str]


class WatchedPipeline(NamedTuple):
    """Where its documents and its store are, and what to look at."""

    documents: Path
    config: PipelineConfig
    settings: RunSettings

    @property
    def store(self) -> Store:
        """Its store."""
        return Store.open(self.settings.store)

    def edit(self, change: Callable[[list[Record]], list[Record]]) -> None:
        """Rewrites the documents."""
        lines = self.documents.read_text(encoding="utf-8").splitlines()
        records = change([json.loads(line) for line in lines])
        text = "".join(json.dumps(record) + "\n" for record in records)
        self.documents.write_text(text, encoding="utf-8")


def copy_pipeline(run: TinyRun, folder: Path, *overrides: str) -> WatchedPipeline:
    """Copies what a run read and left, under the names that it had."""
    documents = folder / "documents" / "domain.jsonl"
    documents.parent.mkdir(parents=True)
    shutil.copy(run.pipeline.parent / "domain.jsonl", documents)
    shutil.copytree(run.store, folder / "store")
    own = [f"corpus.documents=[{documents}]", "watch.quiet_seconds=0"]
    config = load_config(run.pipeline, [*own, *overrides])
    settings = RunSettings(store=str(folder / "store"), threads=1)
    return WatchedPipeline(documents, config, settings)
