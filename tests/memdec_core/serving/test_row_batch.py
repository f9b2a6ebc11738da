"""Rows that join, leave and grow side by side are read as each is alone without a cache."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.models.language_model import TransformerLM
from memdec_core.serving import block_cache
from memdec_core.serving.row_batch import RowBatch
from tests.support.tiny_models import tiny_model

pytestmark = pytest.mark.usefixtures("one_thread")

VOCAB = 390
IDS = st.integers(0, VOCAB - 1)
ROWS = st.lists(st.lists(IDS, min_size=1, max_size=12), min_size=1, max_size=3)
PARTS = [
    TransformerLM(tiny_model("gpt2", seed=1), VOCAB),
    TransformerLM(tiny_model("llama", seed=2, vocab_size=448), VOCAB),
]


def read(rows: list[list[int]], bite: int) -> tuple[RowBatch, list[torch.Tensor]]:
    """A batch of its own for some rows, read in bites; all of its log-probabilities (B, T, V)."""
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    batch = RowBatch(PARTS, padding)
    padded = torch.tensor([[0] * pad + row for pad, row in zip(padding, rows, strict=True)])
    told = [batch.feed(bitten, bitten.shape[1]) for bitten in padded.split(bite, dim=1)]
    return batch, [torch.cat(each, dim=1) for each in zip(*told, strict=True)]


@settings(max_examples=25)
@given(ROWS, st.integers(1, 12))
def test_prompts_read_in_bites_are_read_as_alone(rows: list[list[int]], bite: int) -> None:
    _, told = read(rows, bite)
    for lm, told_BTV in zip(PARTS, told, strict=True):
        for row, told_TV in zip(rows, told_BTV, strict=True):
            alone_TV = lm.log_probs(torch.tensor([row]))[0]
            torch.testing.assert_close(told_TV[-len(row) :], alone_TV, atol=1e-4, rtol=0)


@settings(max_examples=25)
@given(st.data())
def test_any_order_of_joining_leaving_and_growing_is_right(data: st.DataObject) -> None:
    rows = data.draw(ROWS)
    batch, _ = read(rows, data.draw(st.integers(1, 12)))
    for _ in range(data.draw(st.integers(1, 6))):
        match data.draw(st.sampled_from(["join", "leave", "grow"])):
            case "join":
                further = data.draw(ROWS)
                batch.join(read(further, data.draw(st.integers(1, 12)))[0])
                rows = rows + further
            case "leave":
                kept = data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1))
                batch.keep(sorted(kept))
                rows = [rows[number] for number in sorted(kept)]
                assert batch.columns == max(map(len, rows))
            case _:
                rows = [[*row, data.draw(IDS)] for row in rows]
                batch.feed(torch.tensor([row[-1:] for row in rows]), 1)
    rows = [[*row, 7] for row in rows]
    told = batch.feed(torch.tensor([[7]] * len(rows)), 1)
    for lm, told_B1V in zip(PARTS, told, strict=True):
        for row, told_1V in zip(rows, told_B1V, strict=True):
            alone_1V = lm.log_probs(torch.tensor([row]))[0, -1:]
            torch.testing.assert_close(told_1V, alone_1V, atol=1e-4, rtol=0)


def test_a_layer_keeps_what_a_plain_one_keeps_past_several_blocks() -> None:
    layer = block_cache.BlockLayer()
    every_BHTD = torch.randn(2, 3, 3 * block_cache.BLOCK, 4)
    place = 0
    for new in [5, 1, 1, block_cache.BLOCK + 3, 1, 200]:
        part = every_BHTD[:, :, place : place + new]
        keys, values = layer.update(part, -part)
        place += new
        assert torch.equal(keys, every_BHTD[:, :, :place])
        assert torch.equal(values, -every_BHTD[:, :, :place])
        assert layer.get_seq_length() == place
    assert layer._roomy_keys.shape[2] < place + 2 * block_cache.BLOCK
