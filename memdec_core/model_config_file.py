"""config.json of a model folder in Hugging Face format, and how what a library says is quoted."""

from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig

from memdec_core.errors import UserError


def load_model_config(folder: Path) -> PreTrainedConfig:
    """A model folder's config.json.

    Raises:
        UserError: It is missing, or of a model that transformers does not know.
    """
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: config.json is missing, so this is no model folder; give the folder that "
            "`save_pretrained` wrote"
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{folder}/config.json: not a model that transformers knows: {first_line(error)}"
        ) from error
    return config


def first_line(error: Exception) -> str:
    """What an error of a library says first, to be quoted in one of ours."""
    return (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".: ")
