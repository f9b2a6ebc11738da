"""A byte-level BPE tokenizer trained from scratch, for base models trained from scratch."""

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError

END_OF_TEXT = "<|endoftext|>"
SMALLEST_VOCABULARY = 257  # all 256 bytes and the end of text


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a tokenizer of GPT-2's kind: lossless on any text, with `<|endoftext|>` as id 0.

    The same texts give the same tokenizer, in whatever order and on however many threads.

    Args:
        texts: Documents; read once, word counts are what stays in memory.
        vocab_size: Most tokens of the vocabulary; fewer when the texts do not have enough pairs.

    Returns:
        A fast tokenizer whose end- and beginning-of-sequence token is `<|endoftext|>`.

    Raises:
        UserError: A vocabulary that does not even hold the 256 bytes.
    """
    if vocab_size < SMALLEST_VOCABULARY:
        raise UserError(
            f"vocab_size: {vocab_size} is too small for a byte-level tokenizer; "
            f"it needs at least {SMALLEST_VOCABULARY}"
        )
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # transformers is half typed
        tokenizer_object=backend, eos_token=END_OF_TEXT, bos_token=END_OF_TEXT
    )
