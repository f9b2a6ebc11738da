"""Tokenizers of models that are not in the store yet, and what the tokenizers of a run share."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.text.tokenizer_compatibility import Compatibility, compare_tokenizers
from memdec_core.text.tokenizer_loading import complete_tokenizer, load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from storage.models.hub_model import hub_commit, hub_tokenizer
from storage.models.model_folder import tokenizer_files
from storage.objects.artifact_ref import ArtifactRef
from tasks.identity.base_model_identity import local_folder
from tasks.identity.shared_vocabulary import SharedVocabulary


def compare_named(a: str, b: str) -> Compatibility:
    """Compares the tokenizers of two models.

    Args:
        a: A model's folder or hub id, called "the first" in the result.
        b: The other, "the second".

    Raises:
        UserError: There is no such folder, or no tokenizer that can be used.
        StorageError: The hub has no such model, or cannot be reached.
    """
    return compare_tokenizers(_named(a), _named(b))


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """A folder's tokenizer as the store would have it: made whole, in a copy.

    Args:
        folder: config.json and the tokenizer's files; weights are not looked at.

    Raises:
        UserError: They cannot be used.
    """
    with TemporaryDirectory() as copy:
        for path in [*tokenizer_files(folder), folder / "config.json"]:
            if path.is_file():
                shutil.copyfile(path, Path(copy) / path.name)
        try:
            complete_tokenizer(Path(copy))
            return load_tokenizer(Path(copy))
        except UserError as error:  # which names the copy
            raise UserError(str(error).replace(copy, str(folder))) from error


def cut_at(
    size: int, tokenizers: Mapping[ArtifactRef, PreTrainedTokenizerFast]
) -> SharedVocabulary | None:
    """The models whose tokenizers go on beyond `size` ids; None where there are none."""
    longer = sorted(
        (ref for ref, tokenizer in tokenizers.items() if real_vocab_size(tokenizer) > size),
        key=str,
    )
    return SharedVocabulary(size=size, longer=tuple(longer)) if longer else None


def _named(name: str) -> PreTrainedTokenizerFast:
    folder = local_folder(name)
    if folder is None:
        return read_tokenizer(hub_tokenizer(name, hub_commit(name)))
    if not folder.is_dir():
        raise UserError(f"{name}: no such folder; give a model's folder or its hub id")
    return read_tokenizer(folder)
