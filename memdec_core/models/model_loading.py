"""Models from local folders in Hugging Face format, and new ones.

Nothing here touches the network or runs code that came with a model: weights are safetensors, and
model classes are those of transformers.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3Config,
)
from transformers.utils import logging as transformers_logging

from memdec_core.errors import UserError
from memdec_core.model_config_file import first_line, load_model_config
from memdec_core.models.models_config import PretrainConfig

_CAUSAL_LM: Any = AutoModelForCausalLM  # transformers types the class, but not what it returns


def resolve_device(device: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device a setting means: `auto` is the first GPU, or the CPU when there is none.

    Raises:
        UserError: `cuda` is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UserError(
            "device: `cuda` is set, but PyTorch finds no GPU here; set device to `auto` or `cpu`, "
            "or install a PyTorch built for the machine's CUDA driver"
        )
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def load_model(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | Literal["auto"] = torch.float32,
) -> PreTrainedModel:
    """Load a causal language model, in evaluation mode.

    Args:
        folder: config.json and *.safetensors.
        device: Where the weights go.
        dtype: Type of the weights in memory, whatever it is on disk; `auto` is the one on disk.

    Raises:
        UserError: The folder lacks a file or a weight, its files do not fit together, or the model
            is not a causal language model that transformers knows.
    """
    config = load_model_config(folder)
    # a worker's stderr is no place for progress bars
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, info = _CAUSAL_LM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # to name them below
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"{folder}: the model cannot be loaded: {first_line(error)}; a base model needs "
            "config.json and intact *.safetensors files of a causal language model"
        ) from error
    _check_weights(folder, config.model_type, info)
    loaded: PreTrainedModel = model.eval().to(device)
    return loaded


def _check_weights(folder: Path, model_type: str, info: dict[str, Any]) -> None:
    """Refuse what transformers lets pass: weights that are absent would silently be random."""
    missing, mismatched = sorted(info["missing_keys"]), sorted(info["mismatched_keys"])
    if mismatched:
        name, stored, wanted = mismatched[0]
        raise UserError(
            f"{folder}: {len(mismatched)} tensors do not have the shape that config.json asks for, "
            f"such as {name} ({list(stored)} instead of {list(wanted)}); use config.json and "
            "*.safetensors of the same model"
        )
    if missing:
        raise UserError(
            f"{folder}: the weights lack {len(missing)} tensors of a {model_type} language model, "
            f"such as {missing[0]}; use the folder of a causal language model, with all of its "
            "*.safetensors files"
        )


def describe_model(folder: Path) -> dict[str, int | str | None]:
    """Kind and size of a model, from its configuration alone (no weights are read).

    Returns:
        architecture, parameters (shared weights once), layers, width, vocab_size (rows of the
        embedding, which may be padded) and context_length (None if the architecture sets none).
    """
    config = load_model_config(folder)
    try:
        with torch.device("meta"):
            model = _CAUSAL_LM.from_config(config, trust_remote_code=False)
    except ValueError as error:
        raise UserError(f"{folder}: no causal language model: {first_line(error)}") from error
    text = config.get_text_config()
    return {
        "architecture": config.model_type,
        "parameters": model.num_parameters(),
        "layers": text.num_hidden_layers,
        "width": text.hidden_size,
        "vocab_size": text.vocab_size,
        "context_length": context_length(config),
    }


def context_length(config: PreTrainedConfig) -> int | None:
    """Most tokens a model sees at once, None if its architecture sets no bound."""
    bound: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return bound


def new_model(config: PretrainConfig, vocab_size: int, eos_token_id: int) -> PreTrainedModel:
    """A randomly initialised decoder, the same for the same configuration and seed.

    Args:
        config: Architecture, size and seed.
        vocab_size: Tokens of the tokenizer it is trained with, at most `config.vocab_size`.
        eos_token_id: The tokenizer's end of text, also its beginning.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model: PreTrainedModel = _CAUSAL_LM.from_config(
            _new_config(config, vocab_size, eos_token_id)
        )
    return model


def _new_config(config: PretrainConfig, vocab_size: int, eos_token_id: int) -> PreTrainedConfig:
    shared: dict[str, Any] = {
        "vocab_size": vocab_size,
        "bos_token_id": eos_token_id,
        "eos_token_id": eos_token_id,
        "tie_word_embeddings": True,  # in a small model the embedding is most of the weights
    }
    if config.architecture == "gpt2":
        return GPT2Config(
            **shared,
            n_positions=config.context_length,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            # a model this small underfits a general corpus that it reads a few times
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    kind: Any = {"qwen3": Qwen3Config, "llama": LlamaConfig}[config.architecture]
    gated: PreTrainedConfig = kind(
        **shared,
        max_position_embeddings=config.context_length,
        hidden_size=config.width,
        # three matrices of 8/3 the width weigh as much as GPT-2's two of 4 times the width
        intermediate_size=-(-8 * config.width // 3 // 8) * 8,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        head_dim=config.width // config.heads,
    )
    return gated
