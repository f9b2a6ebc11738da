"""What decides the choices that are scored: the contents of the tasks' files, and how many."""

from pathlib import Path

from pydantic import JsonValue

from memdec_core.downstream.downstream_config import DatasetName, DownstreamConfig
from memdec_core.errors import UserError
from storage.documents.document_sources import FileSource
from storage.documents.source_digests import source_digest
from tasks.identity.corpus_identity import source_errors


def downstream_identity(config: DownstreamConfig) -> dict[str, JsonValue]:
    """What choice scores depend on beside the model, without a path: digests of the files.

    Args:
        config: The downstream section.

    Raises:
        UserError: A file is not there or cannot be read.
    """
    content: dict[str, JsonValue] = config.model_dump(mode="json")
    content["tasks"] = {task: _digest(task_path(config, task)) for task in sorted(config.tasks)}
    path = verbalizers_path(config)
    return content | {"verbalizers": None if path is None else _digest(path)}


def task_path(config: DownstreamConfig, task: DatasetName) -> Path:
    """The file of a task's records.

    Raises:
        UserError: It is not there.
    """
    return _existing(config.tasks[task], f"config.comparison.downstream.tasks.{task}")


def verbalizers_path(config: DownstreamConfig) -> Path | None:
    """The file of word lists, None when none is given.

    Raises:
        UserError: It is not there.
    """
    if config.verbalizers is None:
        return None
    return _existing(config.verbalizers, "config.comparison.downstream.verbalizers")


def _existing(entry: str, place: str) -> Path:
    path = Path(entry).expanduser()
    if not path.is_file():
        raise UserError(
            f"{place}: {entry!r} is no file (looked from {Path.cwd()}); correct the path, or run "
            "from the folder that it starts in"
        )
    return path


def _digest(path: Path) -> str:
    with source_errors():
        return source_digest(FileSource(path.name, path))
