"""Models of the Hugging Face hub: the commit that is their identity, and their files."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from storage.models.model_folder import (
    MODEL_FILES,
    OTHER_LAYOUTS,
    TOKENIZER_FILES,
    ModelFolderError,
    check_model_files,
    copy_model_folder,
    has_tokenizer,
)

_COMMIT = re.compile(r"[0-9a-f]{40}")


def hub_commit(name: str, revision: str | None = None) -> str:
    """The commit (40 hex digits) that a model's branch or tag means now.

    A full commit is taken at its word. Without a connection, the local hub cache knows the commit
    of the last download.

    Args:
        name: Id of the model, such as `openai-community/gpt2`.
        revision: Branch, tag or commit; the main branch when None.

    Raises:
        ModelFolderError: The hub has no such model or revision, its weights are no safetensors, or
            the hub cannot be reached and the cache does not know the model.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    cached = _cached_commit(name, revision)
    try:
        with _translated(name, revision):
            info = HfApi().model_info(name, revision=revision, timeout=30)
    except _HubUnreachable:
        if cached is None:
            raise
        return cached
    check_model_files([file.rfilename for file in info.siblings or []], f"hub model {name}")
    if info.sha is None:
        raise ModelFolderError(f"hub model {name}: the hub does not tell its commit; try again")
    return info.sha


def copy_hub_model(name: str, commit: str, destination: Path) -> None:
    """Download a model at a commit, through the shared hub cache, and copy its files.

    Raises:
        ModelFolderError: It cannot be downloaded, or is no complete safetensors model.
    """
    copy_model_folder(_snapshot(name, commit, MODEL_FILES, OTHER_LAYOUTS), destination)


def hub_tokenizer(name: str, commit: str) -> Path:
    """A folder of the hub cache with the tokenizer and configuration of a model at a commit.

    They are downloaded where the cache has none.

    Raises:
        ModelFolderError: The cache has none and they cannot be downloaded.
    """
    config = try_to_load_from_cache(name, "config.json", revision=commit)
    if isinstance(config, str) and has_tokenizer(Path(config).parent):
        return Path(config).parent
    return _snapshot(name, commit, ("config.json", *TOKENIZER_FILES))


def _snapshot(name: str, commit: str, wanted: Sequence[str], unwanted: Sequence[str] = ()) -> Path:
    """A folder of the hub cache with the files whose names match."""
    with _translated(name, commit):
        snapshot = HfApi().snapshot_download(
            name,
            revision=commit,
            allow_patterns=[*wanted],
            ignore_patterns=["*/*", *unwanted],  # patterns would match in subfolders too
        )
    return Path(snapshot)


class _HubUnreachable(ModelFolderError):
    """No answer from the hub, as opposed to an answer that says no."""


def _cached_commit(name: str, revision: str | None) -> str | None:
    try:
        config = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None  # the hub's own refusal explains it better
    return Path(config).parent.name if isinstance(config, str) else None


@contextmanager
def _translated(name: str, revision: str | None) -> Iterator[None]:
    try:
        yield
    except GatedRepoError as error:
        raise ModelFolderError(
            f"hub model {name}: access must be granted first; accept its terms on its page of the "
            "hub and log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelFolderError(
            f"base_model.name: {name} is neither a folder here nor a model of the Hugging Face hub "
            "that you may read; check the spelling, or log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelFolderError(
            f"base_model.revision: the hub model {name} has no branch, tag or commit {revision}"
        ) from error
    except HFValidationError as error:
        raise ModelFolderError(
            f"base_model.name: {name} is neither a folder here nor the id of a hub model "
            f"(`owner/name`): {error}"
        ) from error
    except Exception as error:  # the client lets errors of several network libraries through
        raise _HubUnreachable(
            f"hub model {name}: the Hugging Face hub cannot be reached "
            f"({type(error).__name__}: {(str(error) or 'no answer').splitlines()[0]}); download "
            f"the model where there is a network (`hf download {name} --local-dir FOLDER`) and "
            "set base_model.name to FOLDER"
        ) from error
