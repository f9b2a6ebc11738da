"""What decides a base model, known before anything is copied or trained."""

from pathlib import Path

from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.models_config import BaseModelConfig
from storage.models.hub_model import hub_commit
from storage.models.model_folder import model_folder_digest


def base_model_identity(config: BaseModelConfig) -> dict[str, JsonValue]:
    """What decides the model: a folder's content, a hub commit, or how it is pretrained.

    A folder goes before a hub model of the same name. The general corpus of a pretrained model is
    not part of this: it is an input artifact.

    Raises:
        UserError: A revision is given for a folder.
        StorageError: There is no such folder or hub model, it is not complete, or the hub cannot be
            reached.
    """
    if config.pretrain is not None:
        return {"pretrain": config.pretrain.model_dump(mode="json", exclude={"corpus"})}
    assert config.name is not None
    folder = local_folder(config.name)
    if folder is None:
        commit = hub_commit(config.name, config.revision)
        return {"hub_model": config.name, "commit": commit}
    if config.revision is not None:
        raise UserError(
            f"base_model.revision: {config.name} is a local folder, which has no revisions; "
            "remove the setting, or give a hub id as base_model.name"
        )
    return {"folder_sha256": model_folder_digest(folder)}


def local_folder(name: str) -> Path | None:
    """The folder a name means, None if it can only be a hub id."""
    path = Path(name).expanduser()
    looks_local = path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1
    return path if looks_local or path.is_dir() else None
