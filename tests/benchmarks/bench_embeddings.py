"""Embedding a stream: ours against the plain way of scripts that save hidden states.

The reference runs the whole model, head included, on batches of 8 windows in stream order, padded
and masked; a hook keeps the input of the last feed-forward layer, from which the scored positions
are copied to a memory-mapped file, window by window. Both sides compute in float32 and write
float16 keys to disk.
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from memdec_core.models.key_model import KeyModel
from memdec_core.search.embedding import embed_windows
from memdec_core.windows.windows import WindowConfig, make_windows
from storage.formats.embedding_zarr import EmbeddingBlock, write_embeddings
from tests.benchmarks.interleaved import BenchRow, Work, compare
from tests.support.artifacts import as_shard

LENGTH, STRIDE = 512, 256
BATCH_WINDOWS = 8
MEMORY_BYTES = 2 * 10**9
STREAM = [2_560]
DOCUMENTS = [20, 300, 45, 120, 60, 30, 15, 700, 80, 250, 35, 90, 10, 150]


def run() -> list[BenchRow]:
    """A small GPT-2 with two vocabularies, on one long stream and on documents of all lengths."""
    works = [
        (STREAM, 50_257, "one stream, windows 512/256, 6 layers of width 256, V = 50,257"),
        (DOCUMENTS, 8_192, "documents of 10 to 700 tokens, 6 layers of width 256, V = 8,192"),
    ]
    return [
        compare(
            "embeddings",
            what,
            "tokens",
            ours=partial(ours, lengths, vocabulary),
            reference=partial(reference, lengths, vocabulary),
            rounds=3,
        )
        for lengths, vocabulary, what in works
    ]


def ours(lengths: list[int], vocabulary: int) -> Work:
    """The embeddings stage without its store."""
    tokens_T, offsets_D1, windows_W4 = inputs(lengths, vocabulary)
    model = KeyModel(small_gpt2(vocabulary), "float32")

    def work() -> int:
        blocks = embed_windows(
            model, lambda start, stop: tokens_T[start:stop], offsets_D1, windows_W4, MEMORY_BYTES
        )
        with tempfile.TemporaryDirectory() as folder:
            rows, _ = write_embeddings(
                as_shard(Path(folder)), (EmbeddingBlock(*block) for block in blocks)
            )
        return rows

    return work


def reference(lengths: list[int], vocabulary: int) -> Work:
    """The plain way."""
    tokens_T, _, windows_W4 = inputs(lengths, vocabulary)
    model = small_gpt2(vocabulary)
    keys: list[Tensor] = []

    def keep(_module: nn.Module, module_inputs: tuple[Tensor, ...]) -> None:
        keys.append(module_inputs[0])

    model.transformer.h[-1].mlp.register_forward_pre_hook(keep)

    @torch.no_grad()
    def work() -> int:
        n_rows = int(sum(end - first for _, first, end, _ in windows_W4))
        with tempfile.TemporaryDirectory() as folder:
            shape = (n_rows, model.config.n_embd)
            file = np.memmap(Path(folder) / "keys", np.float16, "w+", shape=shape)
            for batch in range(0, len(windows_W4), BATCH_WINDOWS):
                windows_B4 = windows_W4[batch : batch + BATCH_WINDOWS]
                keys.clear()
                model(**padded(tokens_T, windows_B4))
                for key_TD, (start, first, end, row) in zip(keys[0], windows_B4, strict=True):
                    scored = key_TD[first - 1 - start : end - 1 - start]
                    file[row : row + end - first] = scored.numpy()
            file.flush()
        return n_rows

    return work


def padded(tokens_T: np.ndarray, windows_B4: np.ndarray) -> dict[str, Tensor]:
    """A batch of whole windows with its attention mask."""
    sequences = [torch.from_numpy(tokens_T[start:end]) for start, _, end, _ in windows_B4]
    mask = [torch.ones_like(sequence) for sequence in sequences]
    pad = partial(nn.utils.rnn.pad_sequence, batch_first=True)
    return {"input_ids": pad(sequences), "attention_mask": pad(mask)}


def inputs(lengths: list[int], vocabulary: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random tokens, document offsets, windows."""
    tokens_T = np.random.default_rng(0).integers(0, vocabulary, sum(lengths))
    offsets_D1 = np.cumsum([0, *lengths])
    return (
        tokens_T,
        offsets_D1,
        make_windows(offsets_D1, WindowConfig(length=LENGTH, stride=STRIDE)),
    )


def small_gpt2(vocabulary: int) -> GPT2LMHeadModel:
    """Random weights, the same every time."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=LENGTH,
        n_embd=256,
        n_layer=6,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config).eval()
