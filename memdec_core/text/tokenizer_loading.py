"""Tokenizers from local folders in Hugging Face format.

Nothing here touches the network or runs code that came with a model.
"""

from pathlib import Path

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
