"""How many ids the models of a plan share, known before anything is built or scored.

Nearly always the models have one tokenizer and this is nothing to speak of; PyTorch is imported
only where the files of their tokenizers differ.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from memdec_core.errors import UserError
from memdec_core.models.base_model_config import BaseModelConfig
from storage.models.hub_model import hub_tokenizer
from storage.models.model_folder import ModelFolderError, tokenizer_digest
from storage.objects.artifact_ref import ArtifactRef
from tasks.jobs.stage_job import StageJob


class SharedVocabulary(BaseModel):
    """What tokenizers share that are not of one length.

    Attributes:
        size: All models mean the same by every id below it.
        longer: The models whose tokenizers go on beyond it, sorted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    from memdec_core.text.tokenizer_compatibility import shared_vocab_size  # PyTorch takes seconds
    from tasks.identity.model_tokenizers import cut_at, read_tokenizer

    try:
        tokenizers = {ref: read_tokenizer(folder) for ref, folder in folders.items()}
        first, *others = tokenizers.values()
        size = min(shared_vocab_size(first, other) for other in others)
    except UserError:
        return None  # it is said when the models are copied and compared
    return cut_at(size, tokenizers)


def _folder(model: StageJob) -> Path | None:
    """Where a planned model's tokenizer can be read, None where it cannot be yet."""
    config = BaseModelConfig.model_validate(model.config["base_model"])
    if config.name is None:
        return None
    if (commit := model.identity.get("commit")) is None:
        return Path(config.name).expanduser()
    try:
        return hub_tokenizer(config.name, str(commit))
    except ModelFolderError:
        return None
