"""Tokenizers from local folders in Hugging Face format, and new ones, trained from scratch.

Nothing here touches the network or runs code that came with a model.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.model_config_file import first_line, load_model_config
from memdec_core.text.tokenizer_match import real_vocab_size


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load the fast tokenizer of a model folder, exactly as its tokenizer.json says.

    AutoTokenizer would rebuild some tokenizers from their model's type (a Qwen2 model gets Qwen2's
    own pre-tokeniser, whatever tokenizer.json says), and the ids with them.

    Raises:
        UserError: tokenizer.json is missing or cannot be read.
    """
    if not (folder / "tokenizer.json").is_file():
        raise UserError(
            f"{folder}: tokenizer.json is missing; save the fast tokenizer there with "
            "`AutoTokenizer.from_pretrained(…).save_pretrained(…)`"
        )
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise UserError(
            f"{folder}/tokenizer.json: cannot be read as a tokenizer: {first_line(error)}; "
            "copy or download the file again"
        ) from error
    fast: PreTrainedTokenizerFast = tokenizer
    return fast


def complete_tokenizer(folder: Path) -> None:
    """Make a model folder's tokenizer whole, so that `load_tokenizer` finds all in two files.

    Older folders hold vocab.json and merges.txt instead of tokenizer.json; some (GPT-2's own) leave
    it to the class of the tokenizer to know the end-of-sequence token, which config.json also says.

    Raises:
        UserError: The tokenizer cannot be converted, or the model has fewer ids than it.
    """
    if not (folder / "tokenizer.json").is_file():
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        except Exception as error:  # converters raise whatever they meet
            raise UserError(
                f"{folder}: tokenizer.json is missing and cannot be made from the other files: "
                f"{first_line(error)}; save it there with "
                "`AutoTokenizer.from_pretrained(…).save_pretrained(…)`"
            ) from error
    tokenizer = load_tokenizer(folder)
    config = load_model_config(folder).get_text_config()
    if (size := real_vocab_size(tokenizer)) > config.vocab_size:
        raise UserError(
            f"{folder}: the tokenizer has {size} tokens and the model only {config.vocab_size}; "
            "use the tokenizer that the model was trained with"
        )
    if tokenizer.eos_token_id is None and isinstance(config.eos_token_id, int):
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(config.eos_token_id)
        tokenizer.save_pretrained(folder)


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
