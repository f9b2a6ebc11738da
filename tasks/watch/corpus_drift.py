"""How new text differs from what a memory was trained on: tokens, frequencies, perplexity."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.models.models_config import VocabularyConfig
from memdec_core.plots.comparison_plots import drift_png
from memdec_core.scoring.perplexity import perplexity, split_log_probs
from memdec_core.scoring.scoring_config import ScoringConfig
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.token_drift import Counts, changed_tokens, count_tokens, unigram_kl
from memdec_core.text.tokenization import encode_documents
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from memdec_core.windows.windows import WindowConfig, make_windows
from storage.formats.token_shards import TokenReader
from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from tasks.inputs.finished_run import BuiltCorpus
from tasks.inputs.scored_model import batch_tokens, open_scored
from tasks.jobs.run_settings import RunSettings
from tasks.watch.watch_job import SAMPLE_TOKENS, Drift

SHOWN_TOKENS = 15
_BLOCK_TOKENS = 2**22


def measure_drift(
    store: Store,
    built: BuiltCorpus,
    texts: Iterable[tuple[bytes, str]],
    sample: list[bytes],
    settings: RunSettings,
) -> Drift | None:
    """Compares new text with the training tokens of a run, and asks the run's base about it.

    Args:
        store: Where they are.
        built: The run.
        texts: Digest and text of every new document.
        sample: Digests of those whose perplexity is measured, in this order.
        settings: Device and memory.

    Returns:
        None when there is not one token.
    """
    manifest = store.require(built.tokens)
    folder = store.only(built.base).folder()
    tokenizer = load_tokenizer(folder)
    vocab_size = real_vocab_size(tokenizer)
    separator = TokensConfig.model_validate(manifest.config["tokens"])
    new_V = np.zeros(vocab_size, dtype=np.int64)
    wanted, sampled = set(sample), dict[bytes, NDArray[np.integer]]()
    digests: list[bytes] = []
    for block in encode_documents(tokenizer, _noting(texts, digests), separator):
        new_V += count_tokens(block.token_ids_T, vocab_size)
        ends_D = np.cumsum(block.lengths_D)
        for digest, end, length in zip(digests, ends_D, block.lengths_D, strict=False):
            if digest in wanted:
                sampled[digest] = block.token_ids_T[end - length : end].copy()
        del digests[: len(ends_D)]
    tokens = int(new_V.sum())
    if not tokens:
        return None
    known_V = _counts(store, built, "train", vocab_size)
    held_out_V = _counts(store, built, "test", vocab_size, most=tokens)
    figures: dict[str, JsonValue] = {
        "unigram_kl": unigram_kl(new_V, known_V),
        "unigram_kl_test": unigram_kl(held_out_V, known_V) if held_out_V.sum() else None,
    }
    changes = changed_tokens(new_V, known_V, SHOWN_TOKENS)
    picture = drift_png([(str(tokenizer.decode([change.token])), change) for change in changes])
    chosen = [sampled[digest] for digest in sample if digest in sampled]
    figures |= _perplexities(store, built, chosen, settings)
    return Drift(tokens, figures, picture)


def _noting(texts: Iterable[tuple[bytes, str]], digests: list[bytes]) -> Iterator[str]:
    """The texts; their digests are appended as they pass by."""
    for digest, text in texts:
        digests.append(digest)
        yield text


def _counts(
    store: Store, built: BuiltCorpus, split: str, vocab_size: int, most: int | None = None
) -> Counts:
    """Counts of a split's tokens, of the first `most` only if given."""
    tokens = TokenReader(store.readers(built.tokens), split)
    stop = tokens.n_tokens if most is None else min(most, tokens.n_tokens)
    counts_V = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, stop, _BLOCK_TOKENS):
        counts_V += count_tokens(tokens.read(start, min(start + _BLOCK_TOKENS, stop)), vocab_size)
    return counts_V


def _perplexities(
    store: Store, built: BuiltCorpus, documents: list[NDArray[np.integer]], settings: RunSettings
) -> dict[str, JsonValue]:
    """The base's perplexity on the new text, scored as the test split was, and on that split."""
    if built.scores is None:
        return {}
    scored = store.require(built.scores)
    folder = store.only(built.base).folder()
    vocab_size = real_vocab_size(load_tokenizer(folder))
    if "vocabulary" in scored.config:
        shared = VocabularyConfig.model_validate(scored.config["vocabulary"])
        vocab_size = min(vocab_size, shared.size)
    lengths, stream_T = _sample(documents, vocab_size)
    config = WindowConfig.model_validate(scored.config["windows"])
    windows_W4 = make_windows(np.cumsum([0, *lengths], dtype=np.int64), config)
    if not len(windows_W4):
        return {}
    scoring = ScoringConfig.model_validate(scored.config["scoring"])
    lm = open_scored(folder, vocab_size, scoring, settings)
    log_probs_N = split_log_probs(
        lm,
        windows_W4,
        lambda start, stop: stream_T[start:stop],
        batch_tokens=batch_tokens(lm, settings),
    )
    return {
        "base_perplexity_new": perplexity(log_probs_N),
        "base_perplexity_test": _test_perplexity(scored),
        "sampled_tokens": len(stream_T),
    }


def _sample(
    documents: list[NDArray[np.integer]], vocab_size: int
) -> tuple[list[int], NDArray[np.integer]]:
    """Lengths and tokens of the first documents, SAMPLE_TOKENS at most.

    Documents that spell out a token which has no probability are passed over.
    """
    chosen: list[NDArray[np.integer]] = []
    room = SAMPLE_TOKENS
    for tokens_T in documents:
        if room and len(tokens_T) and int(tokens_T.max()) < vocab_size:
            chosen.append(tokens_T[:room])
            room -= len(chosen[-1])
    empty = np.zeros(0, dtype=np.int64)
    return [len(tokens_T) for tokens_T in chosen], np.concatenate([empty, *chosen])


def _test_perplexity(scored: Manifest) -> JsonValue:
    figures = scored.figures.get("test")
    return figures["perplexity"] if isinstance(figures, dict) else None
