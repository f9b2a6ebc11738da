"""Model folders in Hugging Face format: which files count, their digest, a copy of them.

Only what takes part in the model is read: configuration, safetensors weights and tokenizer. Pickled
weights (`pytorch_model.bin`) are never touched, for loading a pickle runs code.
"""

import hashlib
import json
import shutil
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

from storage.objects.fingerprint import digest_file
from storage.objects.store_errors import StorageError

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    *TOKENIZER_FILES,
    "chat_template.*",
)
# a second copy of the weights in another library's layout, which Mistral's repositories carry
OTHER_LAYOUTS = ("consolidated*",)
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
_OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.gguf")


class ModelFolderError(StorageError):
    """A model folder or hub model lacks a file we need, or cannot be reached."""


def model_folder_digest(folder: Path) -> str:
    """SHA-256 (hex) of the names and bytes of a folder's model files: the model's identity.

    It does not depend on where the folder is, nor on files that take no part in the model.

    Raises:
        ModelFolderError: The folder is missing or is no complete model.
    """
    return _digest(_model_files(folder))


def copy_model_folder(folder: Path, destination: Path) -> None:
    """Copy a folder's model files; links are followed, so that the copy stands alone.

    Raises:
        ModelFolderError: The folder is missing or is no complete model.
    """
    for path in _model_files(folder):
        shutil.copyfile(path, destination / path.name)


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a model folder that decide its tokenizer, by name."""
    names = [path.name for path in folder.iterdir() if path.is_file()]
    return [folder / name for name in _matching(names, TOKENIZER_FILES)]


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer in any of the usual forms."""
    return bool(_matching([path.name for path in tokenizer_files(folder)], _TOKENIZERS))


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 (hex) of the names and bytes of the tokenizer's files."""
    return _digest(tokenizer_files(folder))


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{digest_file(path)}\n".encode())
    return digest.hexdigest()


def check_model_files(names: Collection[str], where: str) -> None:
    """Refuse a model that lacks its configuration, safetensors weights or tokenizer.

    Args:
        names: Names of the files that are there.
        where: The folder or the hub id, for the message.

    Raises:
        ModelFolderError: Something is missing; the message says what and how to get it.
    """
    if "config.json" not in names:
        raise ModelFolderError(
            f"{where}: config.json is missing, so this is no model in Hugging Face format; "
            "give a folder that `save_pretrained` wrote, or a hub id"
        )
    if not _matching(names, ("*.safetensors",)):
        others = _matching(names, _OTHER_WEIGHTS)
        found = f"only {others[0]} is" if others else "none are"
        raise ModelFolderError(
            f"{where}: weights in safetensors format are needed and {found} there (pickled weights "
            "are refused, for loading them runs their code); convert the model once with "
            "`AutoModelForCausalLM.from_pretrained(…).save_pretrained(FOLDER)` and give FOLDER"
        )
    if not _matching(names, _TOKENIZERS):
        raise ModelFolderError(
            f"{where}: the tokenizer is missing (tokenizer.json, or vocab.json and merges.txt); "
            "save it there with `AutoTokenizer.from_pretrained(…).save_pretrained(…)`"
        )


def _model_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ModelFolderError(f"{folder}: no such folder; check the `name` of the model")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    check_model_files(names, str(folder))
    _check_index(folder, names)
    wanted = set(_matching(names, MODEL_FILES)) - set(_matching(names, OTHER_LAYOUTS))
    return [folder / name for name in sorted(wanted)]


def _check_index(folder: Path, names: list[str]) -> None:
    """Sharded weights come with an index that names the files; none may be missing."""
    for index in _matching(names, ("*.safetensors.index.json",)):
        try:
            files = set(json.loads((folder / index).read_text())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFolderError(
                f"{folder / index}: not an index of weights ({error!r}); copy the file again"
            ) from error
        missing = sorted(files - set(names))
        if missing:
            raise ModelFolderError(
                f"{folder}: {index} names {len(missing)} files of weights that are not there, such "
                f"as {missing[0]}; copy or download the model again"
            )


def _matching(names: Collection[str], patterns: Collection[str]) -> list[str]:
    return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in patterns))
