"""Requests decoded together get what each gets alone from a loop without a cache."""

import time
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Gemma3TextConfig, MistralConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.engine import Engine
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from memdec_core.serving.request import DecodingRequest
from tests.support.engine_runs import (
    VOCAB,
    Receiver,
    answer,
    check,
    check_top,
    mixed_log_probs,
    reference,
    three_models,
    two_models,
)
from tests.support.tiny_models import tiny_model

pytestmark = pytest.mark.usefixtures("one_thread")


def random_requests(count: int, n_memories: int, seed: int) -> list[DecodingRequest]:
    """Requests of all kinds: lengths, weights, greedy or not, penalties, bias, stop tokens."""
    random = np.random.default_rng(seed)
    requests = []
    for number in range(count):
        weights = random.dirichlet(np.ones(n_memories + 1))[1:]
        kind = number % 4
        requests.append(
            DecodingRequest(
                prompt=tuple(random.integers(0, VOCAB, random.integers(1, 40)).tolist()),
                max_new_tokens=int(random.integers(1, 20)),
                weights=None if kind == 0 else tuple(weights.tolist()),
                temperature=0.0 if number % 3 else 0.9,
                top_p=1.0 if kind < 2 else 0.7,
                seed=number,
                frequency_penalty=0.5 if kind == 1 else 0.0,
                presence_penalty=0.3 if kind == 2 else 0.0,
                logit_bias={int(random.integers(0, VOCAB)): 2.0} if kind == 3 else {},
                stop_tokens=frozenset(random.integers(0, VOCAB, 5).tolist()),
                top_log_probs=number % 3,
            )
        )
    return requests


@pytest.mark.parametrize(
    "models",
    [pytest.param(two_models(), marks=pytest.mark.long), three_models()],
    ids=["one", "two"],
)
@pytest.mark.parametrize(
    "limits",
    [
        EngineLimits(),
        EngineLimits(max_batch=3, prefill_tokens=7),
        EngineLimits(max_batch_tokens=130, prefill_tokens=64),
    ],
    ids=["roomy", "three-rows", "few-tokens"],
)
def test_requests_that_arrive_at_any_time_get_what_a_plain_loop_gives(
    models: ServedModels, limits: EngineLimits
) -> None:
    requests = random_requests(24, len(models.memories), seed=5)
    receivers = [Receiver() for _ in requests]
    with Engine(models, limits) as engine:
        for number, (request, receiver) in enumerate(zip(requests, receivers, strict=True)):
            engine.submit(request, receiver)
            time.sleep(0.01 * (number % 3))
        for receiver in receivers:
            receiver.finished()
    for request, receiver in zip(requests, receivers, strict=True):
        check(models, request, receiver)
        expected = "length" if len(receiver.tokens) == request.max_new_tokens else "stop"
        assert receiver.finished().reason == expected


def with_window(kind: str) -> PreTrainedConfig:
    """Attention over the last 8 tokens, in all layers or in some."""
    shape = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 128,
        "sliding_window": 8,
    }
    if kind == "mistral":
        return MistralConfig(num_hidden_layers=2, **shape)
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    return Gemma3TextConfig(num_hidden_layers=3, layer_types=layers, **shape)


def model_of(architecture: str) -> TransformerLM:
    if architecture in ("mistral", "gemma3"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            model = AutoModelForCausalLM.from_config(with_window(architecture))
        return TransformerLM(model.eval(), VOCAB)
    return TransformerLM(tiny_model(architecture, seed=4, vocab_size=448), VOCAB)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen3", "mistral", "gemma3"])
def test_every_architecture_is_decoded_beside_rows_of_other_lengths(architecture: str) -> None:
    models = ServedModels(model_of(architecture), (), ())
    random = np.random.default_rng(1)
    requests = [
        DecodingRequest(
            prompt=tuple(random.integers(0, VOCAB, length).tolist()),
            max_new_tokens=new,
            temperature=0,
            prompt_log_probs=length == 30,
        )
        for length, new in [(3, 12), (30, 9), (11, 16), (1, 25), (17, 2), (25, 20)]
    ]
    limits = EngineLimits(prefill_tokens=12, max_batch=4)
    for request, receiver in zip(requests, answer(models, requests, limits), strict=True):
        check(models, request, receiver)


def test_the_window_is_shorter_than_what_is_read() -> None:
    """Otherwise the test above would say nothing about windows."""
    lm = model_of("mistral")
    tokens = torch.arange(24)[None]
    changed = tokens.clone()
    changed[0, 0] = 200
    # two layers of 8 tokens see 14 tokens back at most
    far, near = (lm.log_probs(tokens) - lm.log_probs(changed)).abs()[0, [20, 12]].amax(-1)
    assert far == 0
    assert near > 1e-6


@settings(max_examples=15)
@given(st.data())
def test_other_rows_change_nothing(data: st.DataObject) -> None:
    models = two_models()
    prompts = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=30).map(tuple)
    request = DecodingRequest(prompt=data.draw(prompts), max_new_tokens=10, temperature=0)
    others = [
        DecodingRequest(prompt=prompt, max_new_tokens=data.draw(st.integers(1, 15)))
        for prompt in data.draw(st.lists(prompts, max_size=5))
    ]
    place = data.draw(st.integers(0, len(others)))
    limits = EngineLimits(
        max_batch=data.draw(st.integers(1, 6)), prefill_tokens=data.draw(st.integers(1, 40))
    )
    together = [*others[:place], request, *others[place:]]
    receiver = answer(models, together, limits)[place]
    expected = reference(models, request)
    # where two tokens are equally probable up to rounding, either may be chosen
    sure = next((n for n, margin in enumerate(expected.margins) if margin < 1e-4), None)
    assert receiver.tokens[:sure] == expected.tokens[:sure]


@pytest.mark.parametrize("top_p", [1.0, 0.6])
def test_a_seed_gives_the_same_sample_alone_and_in_a_crowd(top_p: float) -> None:
    models = two_models()
    seeded = DecodingRequest(prompt=(5, 17, 200), max_new_tokens=20, top_p=top_p, seed=11)
    crowd = [seeded if number == 4 else r for number, r in enumerate(random_requests(9, 1, 2))]
    alone = answer(models, [seeded])[0].tokens
    assert answer(models, crowd)[4].tokens == alone
    assert answer(models, [seeded.model_copy(update={"seed": 12})])[0].tokens != alone


def test_a_request_without_a_seed_is_sampled_anew() -> None:
    request = DecodingRequest(prompt=(5, 17), max_new_tokens=20)
    first, second = answer(two_models(), [request, request])
    assert first.tokens != second.tokens


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_part_with_all_the_weight_is_told_to_the_bit(weight: float) -> None:
    request = DecodingRequest(
        prompt=(5, 17, 3), max_new_tokens=12, weights=(weight,), top_log_probs=1, temperature=0
    )
    beside = DecodingRequest(prompt=(1, 2, 3, 4), max_new_tokens=12)
    receiver, _ = answer(two_models(), [request, beside])
    for scores in receiver.scores:
        assert scores.log_prob == scores.part_log_probs[int(weight)]
        assert scores.top == ((scores.token, scores.log_prob),)


def test_the_base_alone_needs_no_memory() -> None:
    models = ServedModels(two_models().base, (), ())
    request = DecodingRequest(prompt=(5, 17, 3), max_new_tokens=12, temperature=0)
    check(models, request, answer(models, [request])[0])


@pytest.mark.parametrize("prefill_tokens", [1, 8, 512])
def test_the_prompts_tokens_are_scored_like_any(prefill_tokens: int) -> None:
    models = three_models()
    random = np.random.default_rng(3)
    requests = [
        DecodingRequest(
            prompt=tuple(random.integers(0, VOCAB, length).tolist()),
            max_new_tokens=3,
            temperature=0,
            prompt_log_probs=scored,
            top_log_probs=3,
        )
        for length, scored in [(1, True), (2, True), (21, True), (9, False), (13, True)]
    ]
    limits = EngineLimits(prefill_tokens=prefill_tokens)
    for request, receiver in zip(requests, answer(models, requests, limits), strict=True):
        check(models, request, receiver)
        if not request.prompt_log_probs:
            assert receiver.scores[0] == receiver.events[0]
            continue
        prompt = list(request.prompt)
        mixed_TV, parts_PTV = mixed_log_probs(models, models.weights, prompt)
        assert [scores.token for scores in receiver.prompt] == prompt[1:]
        for place, scores in enumerate(receiver.prompt):
            wanted = prompt[place + 1]
            assert scores.log_prob == pytest.approx(mixed_TV[place, wanted], abs=1e-4)
            np.testing.assert_allclose(
                scores.part_log_probs, parts_PTV[:, place, wanted], atol=1e-4
            )
            check_top(scores, mixed_TV[place], 3)


def test_a_bias_can_force_a_token_and_is_not_part_of_its_probability() -> None:
    models = two_models()
    request = DecodingRequest(
        prompt=(5, 17), max_new_tokens=4, temperature=0.7, logit_bias={33: 90.0}
    )
    receiver = answer(models, [request])[0]
    assert receiver.tokens == [33] * 4
    mixed_TV, _ = mixed_log_probs(models, models.weights, [5, 17])
    assert receiver.scores[0].log_prob == pytest.approx(mixed_TV[-1, 33], abs=1e-4)


def test_penalties_grow_with_every_use_of_a_token() -> None:
    models = two_models()
    request = DecodingRequest(
        prompt=(5, 17),
        max_new_tokens=40,
        temperature=0,
        frequency_penalty=0.7,
        presence_penalty=0.4,
        logit_bias=dict.fromkeys((5, 33, 44, 55), 8.0),
    )
    rewarded = request.model_copy(update={"frequency_penalty": -0.7, "presence_penalty": -0.4})
    receivers = answer(models, [request, rewarded])
    check(models, request, receivers[0])
    check(models, rewarded, receivers[1])
    uses = [Counter(receiver.tokens) for receiver in receivers]
    assert sorted(uses[0].values()) == [10, 10, 10, 10]
    assert list(uses[1].values()) == [40]
