"""tokens: each part of the corpus becomes a shard of token ids."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.text.document_split import SPLITS
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import encode_documents
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from memdec_core.windows.windows import n_rows
from storage.formats.corpus_parquet import CorpusReader
from storage.formats.token_shards import write_token_shard
from storage.store.artifact_store import Store
from storage.store.shard_files import ShardReader, of_split, split_of
from tasks.jobs.stage_figures import CorpusFigures, TokenCounts
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun, StageWork


class TokenShard(TokenCounts):
    """What one shard holds, and how its ids are stored."""

    vocab_size: int
    dtype: str


def list_shards(job: StageJob, store: Store) -> list[str]:
    """One shard per part of the corpus, by the part's name."""
    corpus = _corpus(job, store)
    return [part.removesuffix(".parquet") for split in SPLITS for part in corpus.parts(split)]


def tokenize_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Encode one part of the corpus.

    Args:
        run: A shard named after a corpus part; config section `tokens`.

    Returns:
        Documents, characters, tokens and positions (tokens that follow another one of their
        document) of the shard, the size of the vocabulary and the type of the ids.

    Raises:
        UserError: The base model's tokenizer cannot be read or has no end-of-sequence token.
    """
    config = run.config(TokensConfig)
    base_model = run.only("base_model")
    tokenizer = load_tokenizer(_tokenizer_folder(base_model))
    part = _Part(run)
    blocks = list(encode_documents(tokenizer, part.texts(), config))
    tokens_T = np.concatenate([block.token_ids_T for block in blocks])
    lengths_D = np.concatenate([block.lengths_D for block in blocks])
    write_token_shard(run.writer, part.doc_ids, tokens_T, lengths_D)
    return TokenShard(
        documents=len(lengths_D),
        characters=part.characters,
        tokens=len(tokens_T),
        positions=n_rows(np.concatenate([[0], np.cumsum(lengths_D)]), "document"),
        vocab_size=real_vocab_size(tokenizer),
        dtype=tokens_T.dtype.name,
    ).model_dump()


def summarise(metas: Mapping[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """Add up the shards' figures by split.

    Raises:
        UserError: A split has nothing to predict.
    """
    figures: dict[str, JsonValue] = {}
    shards = {name: TokenShard.model_validate(meta) for name, meta in metas.items()}
    for split in SPLITS:
        parts = of_split(shards, split).values()
        sums = {key: sum(getattr(part, key) for part in parts) for key in TokenCounts.model_fields}
        if not sums["positions"]:
            raise UserError(
                f"config.corpus: the {split} split has {sums['documents']} documents and not one "
                "of them has two tokens, so there is nothing to predict; give it more text"
            )
        ratio = sums["characters"] / sums["tokens"]
        figures[split] = {**sums, "characters_per_token": round(ratio, 3)}
    some_shard = next(iter(shards.values()))
    return {**figures, "vocab_size": some_shard.vocab_size, "dtype": some_shard.dtype}


class _Part:
    """Reads the documents of a corpus part once, noting what passes by."""

    def __init__(self, run: ShardRun) -> None:
        self.doc_ids: list[str] = []
        self.characters = 0
        self._run = run

    def texts(self) -> Iterator[str]:
        run = self._run
        expected = _expected_characters(run)
        for doc_ids, texts in _corpus(run.job, run.store).texts(f"{run.shard}.parquet"):
            self.doc_ids += doc_ids
            yield from texts
            self.characters += sum(map(len, texts))
            run.report(
                min(self.characters / expected, 1.0), f"{len(self.doc_ids):,} documents read"
            )


def _expected_characters(run: ShardRun) -> float:
    """About how many characters the part has: its even share of the split."""
    split, reader = split_of(run.shard), run.only("corpus")
    characters = CorpusFigures.model_validate(reader.meta).characters[split]
    return characters / len(CorpusReader(reader).parts(split))


def _corpus(job: StageJob, store: Store) -> CorpusReader:
    return CorpusReader(store.only(job.inputs["corpus"]))


def _tokenizer_folder(base_model: ShardReader) -> Path:
    """A local folder with all but the weights, which a remote store would have to send."""
    paths = [
        base_model.local_path(name)
        for name in base_model.names()
        if not name.endswith(".safetensors")
    ]
    return paths[0].parent


WORK = StageWork(tokenize_shard, list_shards, summarise)
