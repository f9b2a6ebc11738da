"""What the tokenizers of a run's models share, known before anything is built or scored."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from memdec_core.errors import UserError
from memdec_core.models.models_config import BaseModelConfig
from storage.models.hub_model import hub_commit, hub_tokenizer
from storage.models.model_folder import ModelFolderError, tokenizer_digest, tokenizer_files
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.temporary_folder import temporary_folder
from storage.store.artifact_store import Store
from tasks.identity.base_model_identity import local_folder
from tasks.jobs.stage_job import StageJob

if TYPE_CHECKING:  # a flow's own process does without PyTorch unless tokenizers differ
    from transformers import PreTrainedTokenizerFast

    from memdec_core.text.tokenizer_compatibility import Compatibility


class SharedVocabulary(BaseModel, frozen=True, extra="forbid"):
    """What tokenizers share that are not of one length.

    Attributes:
        size: All models mean the same by every id below it.
        longer: The models whose tokenizers go on beyond it, sorted.
    """

    size: int
    longer: tuple[ArtifactRef, ...]


def plan_vocabulary(models: Sequence[StageJob]) -> SharedVocabulary | None:
    """Finds what planned base models share.

    Args:
        models: The datastore's model, then those that must go with it.

    Returns:
        None where all tokenizers are of one length, as far as can be known now: a pretrained
        model's is not there yet, nor a hub model's without a connection. `check_tokenizers` finds
        out when they are, and also refuses incompatible ones, for which this returns None too.
    """
    folders = {job.ref: folder for job in models if (folder := _folder(job)) is not None}
    if len({tokenizer_digest(folder) for folder in folders.values()}) < 2:
        return None
    from memdec_core.text.tokenizer_compatibility import shared_vocab_size

    try:
        tokenizers = {ref: read_tokenizer(folder) for ref, folder in folders.items()}
        first, *others = tokenizers.values()
        size = min(shared_vocab_size(first, other) for other in others)
    except UserError:
        return None  # it is said when the models are copied and compared
    return cut_at(size, tokenizers)


def _folder(model: StageJob) -> Path | None:
    """Where a planned model's tokenizer can be read, None where it cannot be yet."""
    config = model.section(BaseModelConfig)
    if config.name is None:
        return None
    if (commit := model.identity.get("commit")) is None:
        return Path(config.name).expanduser()
    try:
        return hub_tokenizer(config.name, str(commit))
    except ModelFolderError:
        return None


def compare_named(a: str, b: str) -> "Compatibility":
    """Compares the tokenizers of two models.

    Args:
        a: A model's folder or hub id, called "the first" in the result.
        b: The other, "the second".

    Raises:
        UserError: There is no such folder, or no tokenizer that can be used.
        StorageError: The hub has no such model, or cannot be reached.
    """
    from memdec_core.text.tokenizer_compatibility import compare_tokenizers

    return compare_tokenizers(_named(a), _named(b))


def read_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """A folder's tokenizer as the store would have it: made whole, in a copy.

    Args:
        folder: config.json and the tokenizer's files; weights are not looked at.

    Raises:
        UserError: They cannot be used.
    """
    from memdec_core.text.tokenizer_loading import complete_tokenizer, load_tokenizer

    with temporary_folder() as copy:
        for path in [*tokenizer_files(folder), folder / "config.json"]:
            if path.is_file():
                shutil.copyfile(path, copy / path.name)
        try:
            complete_tokenizer(copy)
            return load_tokenizer(copy)
        except UserError as error:  # which names the copy
            raise UserError(str(error).replace(str(copy), str(folder))) from error


def cut_at(
    size: int, tokenizers: Mapping[ArtifactRef, "PreTrainedTokenizerFast"]
) -> SharedVocabulary | None:
    """The models whose tokenizers go on beyond `size` ids; None where there are none."""
    from memdec_core.text.tokenizer_match import real_vocab_size

    longer = sorted(
        (ref for ref, tokenizer in tokenizers.items() if real_vocab_size(tokenizer) > size),
        key=str,
    )
    return SharedVocabulary(size=size, longer=tuple(longer)) if longer else None


def _named(name: str) -> "PreTrainedTokenizerFast":
    folder = local_folder(name)
    if folder is None:
        return read_tokenizer(hub_tokenizer(name, hub_commit(name)))
    if not folder.is_dir():
        raise UserError(f"{name}: no such folder; give a model's folder or its hub id")
    return read_tokenizer(folder)


def tokenizer_difference(store: Store, new_memory: ArtifactRef, old_memory: ArtifactRef) -> str:
    """In words how the tokenizers of two memories differ; empty where they do not.

    Raises:
        MissingArtifact: A memory is not in the store.
        UserError: A tokenizer cannot be read.
    """
    folders = [store.only(store.require(ref).ref).folder() for ref in (new_memory, old_memory)]
    if len({tokenizer_digest(folder) for folder in folders}) == 1:
        return ""
    from memdec_core.text.tokenizer_loading import load_tokenizer
    from memdec_core.text.tokenizer_match import explain_difference

    new, old = map(load_tokenizer, folders)
    return explain_difference(new, old) or ""
