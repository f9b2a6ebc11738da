"""Tokenising a corpus part: ours against a call of the tokenizer per document.

The reference extends one list of ids document by document and saves it as an array, as scripts do.
"""

import sysconfig
import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import encode_documents
from memdec_core.text.tokenizer_loading import train_tokenizer
from storage.formats.token_shards import write_token_shard
from tests.benchmarks.interleaved import BenchRow, Work, compare
from tests.support.artifacts import as_shard

CHARACTERS = 2_000_000
LENGTHS = {"short": 500, "long": 20_000}
VOCABULARY = 8192


def run() -> list[BenchRow]:
    """Python's standard library as text, cut into short and into long documents."""
    return [
        compare(
            "tokens",
            f"{CHARACTERS // length:,} documents of {length:,} characters, V = {VOCABULARY:,}",
            "tokens",
            ours=partial(ours, length),
            reference=partial(reference, length),
            rounds=3,
        )
        for length in LENGTHS.values()
    ]


def ours(length: int) -> Work:
    """The tokens stage without its store."""
    tokenizer, documents = inputs(length)
    doc_ids = [str(number) for number in range(len(documents))]

    def work() -> int:
        blocks = list(encode_documents(tokenizer, documents, TokensConfig()))
        tokens_T = np.concatenate([block.token_ids_T for block in blocks])
        lengths_D = np.concatenate([block.lengths_D for block in blocks])
        with tempfile.TemporaryDirectory() as folder:
            write_token_shard(as_shard(Path(folder)), doc_ids, tokens_T, lengths_D)
        return len(tokens_T)

    return work


def reference(length: int) -> Work:
    """The plain way."""
    tokenizer, documents = inputs(length)

    def work() -> int:
        token_ids: list[int] = []
        for document in documents:
            token_ids += tokenizer(document)["input_ids"]
            token_ids.append(tokenizer.eos_token_id)
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "tokens.npy", np.array(token_ids))
        return len(token_ids)

    return work


@cache
def inputs(length: int) -> tuple[PreTrainedTokenizerFast, list[str]]:
    """A tokenizer trained on a tenth of the documents, and the documents."""
    folder = Path(sysconfig.get_path("stdlib"))
    text = "".join(path.read_text("utf-8") for path in sorted(folder.glob("*.py")))[:CHARACTERS]
    documents = [text[start : start + length] for start in range(0, len(text), length)]
    return train_tokenizer(documents[::10], VOCABULARY), documents
