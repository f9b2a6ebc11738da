"""What trainings on the domain's windows share: the windows, and the model they start from."""

from typing import NamedTuple

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.model_loading import context_length, load_model, resolve_device
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from memdec_core.training.training_config import DomainTrainingConfig
from memdec_core.windows.windows import WindowConfig
from tasks.jobs.stage_work import ShardRun


class Learner(NamedTuple):
    """A model to train, on its device, its tokenizer and the number of real tokens."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    vocab_size: int


def training_windows(run: ShardRun, config: DomainTrainingConfig, section: str) -> WindowConfig:
    """The windows of training: as long as the pipeline's, but usually with less overlap.

    Args:
        run: Config section `windows`.
        config: The training's own settings.
        section: Their config section, for messages.

    Raises:
        UserError: The stride leaves a window without context.
    """
    windows = run.config(WindowConfig)
    stride = config.training_stride or windows.length - 1
    if stride >= windows.length:
        raise UserError(
            f"config.{section}.training_stride: {stride} must be smaller than "
            f"config.windows.length ({windows.length}); leave it unset for the smallest overlap"
        )
    return windows.model_copy(update={"stride": stride})


def load_learner(run: ShardRun, role: str, windows: WindowConfig) -> Learner:
    """Loads the model that an input holds.

    Args:
        run: Its inputs and its device.
        role: The input's role.
        windows: What the model is to be trained on.

    Raises:
        UserError: The windows are longer than what the model sees.
    """
    folder = run.only(role).folder()
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, resolve_device(run.settings.device))
    longest = context_length(model.config)
    if longest is not None and windows.length > longest:
        kind = role.replace("_", " ")
        raise UserError(
            f"config.windows.length: {windows.length} tokens, but the {kind} sees at most "
            f"{longest}; shorten the windows or choose another {kind}"
        )
    return Learner(model, tokenizer, real_vocab_size(tokenizer))
