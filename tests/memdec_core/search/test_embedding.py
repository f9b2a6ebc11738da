"""Rows against whole forward passes, and what must not change them."""

from functools import partial

import numpy as np
import pytest
import torch
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)

from memdec_core.errors import UserError
from memdec_core.models.key_model import KeyModel
from memdec_core.models.models_config import ComputeDtype
from memdec_core.search.embedding import EmbeddedRows, embed_windows, fit_batch_size
from memdec_core.windows.windows import WindowConfig, make_windows
from tests.benchmarks.interleaved import Work, peak_memory_mb
from tests.oracles.embeddings_oracle import full_forward_keys, slow_rows
from tests.support.tiny_models import tiny_config, tiny_model

ARCHITECTURES = ["gpt2", "qwen2", "qwen3", "llama"]
LENGTHS = [40, 0, 3, 1, 100, 2, 64, 1, 0, 17]
ROOMY = 10**9
SHAPE = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def make_documents(lengths: list[int], vocab_size: int = 400) -> list[list[int]]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, vocab_size, n).tolist() for n in lengths]


def embed(
    model: PreTrainedModel,
    documents: list[list[int]],
    windows: WindowConfig,
    memory_bytes: int = ROOMY,
    compute_dtype: ComputeDtype = "float32",
) -> EmbeddedRows:
    stream = np.array([token for tokens in documents for token in tokens], np.uint16)
    offsets_D1 = np.cumsum([0] + [len(tokens) for tokens in documents])
    blocks = embed_windows(
        KeyModel(model, compute_dtype),
        lambda start, stop: stream[start:stop],
        offsets_D1,
        make_windows(offsets_D1, windows),
        memory_bytes,
    )
    return EmbeddedRows(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))


def one_window_bytes(model: PreTrainedModel, length: int) -> int:
    """The smallest budget: one window at a time."""
    return ROOMY // fit_batch_size(model.config, length, ROOMY)


@pytest.mark.parametrize("scope", ["document", "stream"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rows_are_those_of_full_forward_passes(architecture: str, scope: str) -> None:
    model = tiny_model(architecture)
    documents = make_documents(LENGTHS)
    rows = embed(model, documents, WindowConfig(length=32, stride=12, scope=scope))
    expected = slow_rows(model, documents, 32, 12, scope)
    assert rows.next_token_N.tolist() == [row.next_token for row in expected]
    assert rows.doc_N.tolist() == [row.doc for row in expected]
    assert rows.position_N.tolist() == [row.position for row in expected]
    assert [array.dtype.name for array in rows] == ["float16", "uint32", "int64", "int64"]
    # a float32 difference of 1e-5 may round to the next float16, which is 2^-10 away at most
    keys_ND = np.stack([row.key_D for row in expected])
    np.testing.assert_allclose(rows.keys_ND.astype(np.float32), keys_ND, rtol=2**-10, atol=1e-5)
    assert (rows.keys_ND == keys_ND.astype(np.float16)).mean() > 0.99


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keys_before_rounding_are_those_of_full_forward_passes(architecture: str) -> None:
    model = tiny_model(architecture)
    sequences = make_documents([32, 32])
    keys = KeyModel(model, "float32").keys(torch.tensor(sequences))
    expected = np.concatenate([full_forward_keys(model, tokens) for tokens in sequences])
    np.testing.assert_allclose(keys.numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("model_class", "config", "norm"),
    [
        (
            OPTForCausalLM,
            OPTConfig(**SHAPE, ffn_dim=32, word_embed_proj_dim=16, pad_token_id=1),
            "model.decoder.layers.1.final_layer_norm",
        ),
        (
            GPTNeoXForCausalLM,
            GPTNeoXConfig(**SHAPE, intermediate_size=32),
            "gpt_neox.layers.1.post_attention_layernorm",
        ),
        (
            MistralForCausalLM,
            MistralConfig(**SHAPE, intermediate_size=32, num_key_value_heads=1),
            "model.layers.1.post_attention_layernorm",
        ),
    ],
)
def test_keys_of_other_families_are_what_their_second_norm_gives_out(
    model_class: type[PreTrainedModel], config: PreTrainedConfig, norm: str
) -> None:
    model = model_class(config).eval()
    sequences = make_documents([12, 12], vocab_size=50)
    keys = KeyModel(model, "float32").keys(torch.tensor(sequences))
    expected = [full_forward_keys(model, tokens, model.get_submodule(norm)) for tokens in sequences]
    np.testing.assert_allclose(keys.numpy(), np.concatenate(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batch_size_and_padding_change_no_row(architecture: str) -> None:
    model = tiny_model(architecture)
    documents = make_documents(LENGTHS)
    windows = WindowConfig(length=32, stride=12)
    alone = embed(model, documents, windows, one_window_bytes(model, 32))
    together = embed(model, documents, windows)
    np.testing.assert_allclose(
        alone.keys_ND.astype(np.float32),
        together.keys_ND.astype(np.float32),
        rtol=2**-10,
        atol=1e-5,
    )
    for one, all_ in zip(alone[1:], together[1:], strict=True):
        np.testing.assert_array_equal(one, all_)


def test_a_shorter_padding_neighbour_leaves_a_key_as_it_is() -> None:
    model = tiny_model("qwen2")
    long, short = make_documents([60, 5])
    windows = WindowConfig(length=64, stride=32)
    padded = embed(model, [long, short], windows).keys_ND[59:].astype(np.float32)
    unpadded = embed(model, [short], windows).keys_ND.astype(np.float32)
    np.testing.assert_allclose(padded, unpadded, rtol=2**-10, atol=1e-5)


def test_the_same_budget_gives_the_same_bytes() -> None:
    model = tiny_model("gpt2")
    documents = make_documents(LENGTHS)
    runs = [embed(model, documents, WindowConfig(length=32, stride=12)) for _ in range(2)]
    assert [a.tobytes() for a in runs[0]] == [a.tobytes() for a in runs[1]]


def test_bfloat16_keys_are_within_a_few_percent_of_float32() -> None:
    model = tiny_model("gpt2")
    documents = make_documents(LENGTHS)
    windows = WindowConfig(length=32, stride=12)
    exact = embed(model, documents, windows).keys_ND.astype(np.float32)
    rounded = embed(model, documents, windows, compute_dtype="bfloat16").keys_ND.astype(np.float32)
    error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert 0 < error < 0.02


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(UserError, match=r"embeddings.compute_dtype.*bfloat16"):
        KeyModel(tiny_model(), "float16")


def test_keys_beyond_float16_are_refused_with_the_layers_name() -> None:
    model = tiny_model("gpt2")
    norm = model.get_submodule("transformer.h.1.ln_2")
    torch.nn.init.constant_(norm.weight, 1e6)
    with pytest.raises(UserError, match=r"h\.1\.mlp.*float16, which ends at 65504"):
        embed(model, make_documents([40]), WindowConfig(length=32, stride=12))


def test_keys_that_are_not_numbers_are_refused() -> None:
    model = tiny_model("llama")
    norm = model.get_submodule("model.layers.1.post_attention_layernorm")
    torch.nn.init.constant_(norm.weight, float("nan"))
    with pytest.raises(UserError, match=r"layers\.1\.mlp.*size nan"):
        embed(model, make_documents([40]), WindowConfig(length=32, stride=12))


def test_windows_longer_than_the_model_reads_are_refused() -> None:
    model = tiny_model("gpt2", context_length=16)
    with pytest.raises(UserError, match=r"windows.length.*at most 16"):
        embed(model, make_documents([40]), WindowConfig(length=32, stride=12))


def test_tokens_the_model_does_not_know_are_refused() -> None:
    with pytest.raises(UserError, match=r"token id 4\d\d.*400 ids"):
        embed(tiny_model(), make_documents([99], 500), WindowConfig(length=32, stride=12))


def test_a_budget_below_one_window_is_refused_with_one_that_suffices() -> None:
    config = tiny_config("gpt2")
    with pytest.raises(UserError, match=r"memory_gb.*set memory_gb to at least"):
        fit_batch_size(config, 256, 1000)


def test_batch_size_grows_with_the_budget_and_falls_with_the_window() -> None:
    config = tiny_config("llama", width=64)
    values = 10 * 64 + 4 * 128
    assert fit_batch_size(config, 128, 10 * values * 128 * 5) == 5
    assert fit_batch_size(config, 64, 10 * values * 128 * 5) == 10
    assert fit_batch_size(config, 128, 10 * values * 128 * 5 - 1) == 4


def embed_wide_windows(n_windows: int, batch: int) -> Work:
    """The work of embedding some windows of 512 tokens, with the budget of a batch of them."""
    model = KeyModel(
        tiny_model("gpt2", layers=3, width=512, heads=8, context_length=512), "float32"
    )
    offsets_D1 = np.arange(n_windows + 1) * 512
    windows_W4 = make_windows(offsets_D1, WindowConfig(length=512, stride=511))

    def zeros(start: int, stop: int) -> np.ndarray:
        return np.zeros(stop - start, np.uint16)

    def embed_some(windows_W4: np.ndarray, budget: int) -> int:
        blocks = embed_windows(model, zeros, offsets_D1, windows_W4, budget)
        return sum(len(block.keys_ND) for block in blocks)

    embed_some(windows_W4[:1], ROOMY)  # libraries take their own memory first
    return partial(embed_some, windows_W4, wide_budget(batch))


def wide_budget(batch: int) -> int:
    return batch * 512 * 10 * (10 * 512 + 4 * 2048)


def test_a_batch_takes_no_more_memory_than_the_budget_nor_much_less() -> None:
    peak_mb = peak_memory_mb(partial(embed_wide_windows, 12, batch=4))
    assert 0.25 < peak_mb * 1e6 / wide_budget(4) < 1


def test_stopping_at_the_key_leaves_the_model_as_it_was() -> None:
    model = tiny_model("gpt2")
    tokens = torch.tensor(make_documents([20]))
    before = model(input_ids=tokens).logits
    embed(model, make_documents([40]), WindowConfig(length=32, stride=12))
    assert torch.equal(model(input_ids=tokens).logits, before)
