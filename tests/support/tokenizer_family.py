"""Tokenizers that differ only in what was added to them, as Qwen2's and Qwen2.5's do."""

from transformers import AddedToken, PreTrainedTokenizerFast

from tests.support.tiny_models import tiny_tokenizer

MARKERS = ["<|im_start|>", "<|im_end|>", *(f"<tool_{number}>" for number in range(8))]


def longer_tokenizer(
    markers: list[str] = MARKERS, eos_token: str = "<|endoftext|>"
) -> PreTrainedTokenizerFast:
    """The tiny tokenizer of 400 ids, then these tokens: two special ones, the others not."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(
        [
            AddedToken(marker, special=number < 2, normalized=False)
            for number, marker in enumerate(markers)
        ]
    )
    tokenizer.eos_token = eos_token
    return tokenizer
