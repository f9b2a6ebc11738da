"""Speed of a training step: sparse targets and a chunked head against dense targets and logits.

The reference is the plain way to write it: a collate function that fills a row of the vocabulary
for each position in a Python loop, the model's own logits, `kl_div` and `cross_entropy`. Model,
batch, optimiser and clipping are the same on both sides.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from memdec_core.training.batch_loss import Objective, batch_loss
from memdec_core.training.sparse_targets import SparseTargets
from memdec_core.training.training_batches import WindowData, assemble_batch
from memdec_core.training.training_config import Precision, TrainingConfig
from memdec_core.training.training_state import make_optimizer
from memdec_core.windows.windows import WindowConfig, make_windows
from tests.benchmarks.interleaved import BenchRow, Work, compare

BETA = 0.5
LENGTH = 256
ENTRIES = 150  # distinct tokens that hold 99.9 % of p_kNN at k = 1024, about
_SIZES: list[tuple[int, int, Precision]] = [(8192, 4, "float32"), (50257, 4, "bfloat16")]


def run() -> list[BenchRow]:
    """Measures a small vocabulary as of the offline default, and GPT-2's."""
    return [
        compare(
            "memory",
            f"training step, GPT-2 with 4 layers of 256, {count * (LENGTH - 1):,} positions, "
            f"V = {vocabulary:,}, {precision}",
            "positions",
            ours=partial(sparse_step, vocabulary, count, precision),
            reference=partial(dense_step, vocabulary, count, precision),
            rounds=3,
        )
        for vocabulary, count, precision in _SIZES
    ]


def sparse_step(vocabulary: int, count: int, precision: Precision) -> Work:
    """Our step: assemble, chunked loss, gradients, AdamW."""
    data, model = _random_data(vocabulary, count), _new_student(vocabulary)
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters, TrainingConfig())
    objective = Objective(BETA, vocabulary, precision)

    def work() -> int:
        batch = assemble_batch(data, data.windows_W4)
        positions = len(batch.label_N)
        torch.autograd.backward(batch_loss(model, batch, objective).loss / positions)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return positions

    return work


def dense_step(vocabulary: int, count: int, precision: Precision) -> Work:
    """The reference step."""
    data, model = _random_data(vocabulary, count), _new_student(vocabulary)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    assert data.read_targets is not None
    tokens = torch.from_numpy(data.read_tokens(0, count * LENGTH).astype(np.int64))
    input_ids = tokens.view(count, LENGTH)
    targets = data.read_targets(0, count * (LENGTH - 1))

    def work() -> int:
        target_NV = collate_dense(targets, vocabulary)
        label_N = input_ids[:, 1:].reshape(-1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            logits_NV = model(input_ids=input_ids).logits[:, :-1].reshape(-1, vocabulary)
            kl = torch.nn.functional.kl_div(
                torch.log_softmax(logits_NV, -1), target_NV, reduction="batchmean"
            )
            ce = torch.nn.functional.cross_entropy(logits_NV, label_N)
        torch.autograd.backward(BETA * kl + (1 - BETA) * ce)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return len(label_N)

    return work


def collate_dense(targets: SparseTargets, vocabulary: int) -> Tensor:
    """(N, V) float32 targets, filled position by position."""
    offsets = targets.offsets_R1.tolist()
    dense_NV = torch.zeros(len(offsets) - 1, vocabulary)
    for n in range(len(offsets) - 1):
        entries = slice(offsets[n], offsets[n + 1])
        ids = torch.from_numpy(targets.token_ids_E[entries].astype(np.int64))
        dense_NV[n, ids] = torch.from_numpy(targets.probs_E[entries])
    return dense_NV


def _new_student(vocabulary: int) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=LENGTH,
        n_embd=256,
        n_layer=4,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
        resid_pdrop=0.0,  # as in the models that we pretrain
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    return GPT2LMHeadModel(config).train()


def _random_data(vocabulary: int, count: int) -> WindowData:
    """Documents of one window each; every position has `ENTRIES` entries."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, vocabulary, count * LENGTH).astype(np.uint16)
    next_token = tokens.reshape(count, LENGTH)[:, 1:].ravel().astype(np.int64)
    rows = len(next_token)
    # distinct within a position: a random start and a random odd stride modulo the vocabulary
    start, stride = rng.integers(0, vocabulary, (2, rows, 1))
    ids = (start + (2 * stride + 1) * np.arange(ENTRIES)) % vocabulary
    probs = rng.dirichlet(np.full(ENTRIES, 0.1), rows).astype(np.float32)

    def read_targets(first: int, stop: int) -> SparseTargets:
        offsets = np.arange(stop - first + 1) * ENTRIES
        ids_E, probs_E = ids[first:stop].ravel().astype(np.int32), probs[first:stop].ravel()
        tail = np.zeros(stop - first, np.float32)
        return SparseTargets(offsets, ids_E, probs_E, next_token[first:stop], tail)

    return WindowData(
        make_windows(np.arange(count + 1) * LENGTH, WindowConfig(length=LENGTH, stride=1)),
        lambda first, stop: tokens[first:stop],
        read_targets,
        np.array([0, rows]),
        vocabulary,
    )
