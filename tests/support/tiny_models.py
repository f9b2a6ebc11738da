"""Tiny tokenizers and randomly initialised models in Hugging Face format, made in milliseconds."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

TEXTS = [
    "The memory of a small model is what it has read, and the model reads what it is given.",
    "A token follows a token; a window moves over the tokens, and every token is predicted once.",
    "Neighbours that lie near to one another in the space of keys share the words that follow.",
    "0123456789 def memory(x): return x + 1  # héllo wörld, naïve café\n\n\ttabs and lines\n",
] * 4
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def tiny_tokenizer(vocab_size: int = 400) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on a fixed text; `<|endoftext|>` has id 0."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )


def tiny_sentencepiece_tokenizer(learned: int = 150) -> PreTrainedTokenizerFast:
    """A BPE tokenizer as Llama 2 has it: "▁" for spaces, pieces for the bytes of rare characters.

    Ids: `<unk>`, `<s>`, `</s>`, 256 bytes, then `learned` characters and pieces of a fixed text.
    """
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=learned, show_progress=False)
    trained.train_from_iterator(TEXTS[:3], trainer)
    model = json.loads(trained.to_str())["model"]
    special = ["<unk>", "<s>", "</s>"]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *model["vocab"]]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    pairs = [tuple(pair) for pair in model["merges"]]
    backend = Tokenizer(
        models.BPE(vocabulary, pairs, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def tiny_config(
    architecture: str = "gpt2",
    *,
    vocab_size: int = 400,
    layers: int = 2,
    width: int = 32,
    heads: int = 2,
    context_length: int = 256,
) -> PreTrainedConfig:
    """The configuration of a very small decoder: gpt2, qwen2, qwen3 or llama."""
    if architecture == "gpt2":
        return GPT2Config(
            vocab_size=vocab_size,
            n_positions=context_length,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            bos_token_id=0,
            eos_token_id=0,
        )
    kinds = {"qwen2": Qwen2Config, "qwen3": Qwen3Config, "llama": LlamaConfig}
    return kinds[architecture](
        vocab_size=vocab_size,
        max_position_embeddings=context_length,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 2),
        head_dim=width // heads,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=None,
    )


def tiny_model(architecture: str = "gpt2", *, seed: int = 0, **shape: int) -> PreTrainedModel:
    """A randomly initialised causal language model in evaluation mode, the same for a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(tiny_config(architecture, **shape))
    return model.eval()


def capped_model(cap: float) -> Gemma2ForCausalLM:
    """A very small decoder of 300 tokens that caps its logits after its head."""
    config = Gemma2Config(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        final_logit_softcapping=cap,
        attn_implementation="eager",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Gemma2ForCausalLM(config).eval()


def tiny_model_folder(
    tmp_path: Path,
    architecture: str = "gpt2",
    *,
    seed: int = 0,
    name: str | None = None,
    tokenizer: PreTrainedTokenizerFast | None = None,
    **shape: int,
) -> Path:
    """Save a tiny model and its tokenizer as a Hugging Face folder under `tmp_path`.

    `shape` takes vocab_size (400), layers, width, heads and context_length; tokenizer and model
    have the same vocabulary size, unless a tokenizer is given: the model is padded then.
    """
    folder = tmp_path / (name or f"tiny-{architecture}-{seed}")
    tiny_model(architecture, seed=seed, **shape).save_pretrained(folder)
    (tokenizer or tiny_tokenizer(shape.get("vocab_size", 400))).save_pretrained(folder)
    return folder
