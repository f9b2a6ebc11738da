"""generate() of a joint model against references that know no cache and no padding."""

from typing import Any

import pytest
import torch
from transformers import (
    CompileConfig,
    LogitsProcessorList,
    MistralConfig,
    PreTrainedModel,
    TextIteratorStreamer,
)
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from memdec_core.errors import UserError
from memdec_core.joint import JointForCausalLM
from tests.memdec_core.joint.conftest import VOCABULARY, left_padded, random_prompts
from tests.oracles.joint_oracle import PAD, OracleMixture, joint_log_probs, own_tokens
from tests.support.tiny_models import tiny_model, tiny_tokenizer

WEIGHTS = [0.4, 0.25]
NEW = 8
PROMPTS = random_prompts(5, seed=7)


def chosen(
    parts: list[PreTrainedModel], prompt: list[int], *, count: int = NEW, sample: bool = False
) -> list[int]:
    """A naive loop: the whole sequence through every part for each new token."""
    tokens = list(prompt)
    for _ in range(count):
        log_probs_V = joint_log_probs(parts, WEIGHTS, tokens, VOCABULARY)[-1]
        if sample:
            probs_1V = torch.softmax(log_probs_V.float(), dim=-1).unsqueeze(0)
            tokens.append(int(torch.multinomial(probs_1V, num_samples=1)))
        else:
            tokens.append(int(log_probs_V.argmax()))
    return tokens[len(prompt) :]


MANY = pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.long)])


@MANY
def test_greedy_text_of_many_prompts(
    joint: JointForCausalLM, parts: list[PreTrainedModel], count: int
) -> None:
    prompts = random_prompts(count, seed=3)
    for start in range(0, len(prompts), 25):
        group = prompts[start : start + 25]
        batch = joint.generate(**left_padded(group), max_new_tokens=NEW, do_sample=False)
        for row, prompt in zip(batch, group, strict=True):
            assert row[-NEW:].tolist() == chosen(parts, prompt)


@MANY
def test_seeded_samples_of_many_prompts(
    joint: JointForCausalLM, parts: list[PreTrainedModel], count: int
) -> None:
    for seed, prompt in enumerate(random_prompts(count, seed=4)):
        torch.manual_seed(seed)
        expected = chosen(parts, prompt, count=4, sample=True)
        torch.manual_seed(seed)
        row = joint.generate(torch.tensor([prompt]), max_new_tokens=4, do_sample=True, top_k=0)
        assert row[0, -4:].tolist() == expected


def reference(
    parts: list[PreTrainedModel], weights: list[list[float]], **options: object
) -> torch.Tensor:
    """Transformers' own loop around the oracle: the model's scores are all replaced."""
    oracle = LogitsProcessorList([OracleMixture(parts, weights, VOCABULARY)])
    torch.manual_seed(1)
    tokens: torch.Tensor = parts[2].generate(**options, use_cache=False, logits_processor=oracle)
    return tokens


MODES: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "temperature": 1.4, "top_k": 50, "top_p": 0.9},
    "several samples": {"do_sample": True, "num_return_sequences": 3, "top_k": 0},
    "beams": {"num_beams": 4, "num_return_sequences": 2, "length_penalty": 0.7},
    "beam samples": {"num_beams": 3, "do_sample": True, "top_k": 0},
}


OFTEN, SELDOM = ("none", "static chunks"), ("dynamic", "static", "chunks")
CACHES = [*OFTEN, *(pytest.param(cache, marks=pytest.mark.long) for cache in SELDOM)]


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("mode", MODES)
def test_every_way_of_choosing_with_every_cache(
    joint: JointForCausalLM, parts: list[PreTrainedModel], mode: str, cache: str
) -> None:
    caching: dict[str, Any] = {
        "none": {"use_cache": False},
        "dynamic": {},
        "static": {"cache_implementation": "static"},
        "chunks": {"prefill_chunk_size": 5},
        "static chunks": {"cache_implementation": "static", "prefill_chunk_size": 5},
    }[cache]
    options = {**left_padded(PROMPTS), **MODES[mode], "max_new_tokens": NEW}
    expected = reference(parts, [WEIGHTS], **options)
    torch.manual_seed(1)
    actual = joint.generate(**options, **caching)
    assert actual.tolist() == expected.tolist()


def test_every_sequence_and_its_beams_have_their_own_weights(
    joint: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    weights = [[0.0, 0.0], [1.0, 0.0], [0.2, 0.8], [0.0, 1.0], [0.3, 0.1]]
    options = {**left_padded(PROMPTS), "num_beams": 3, "num_return_sequences": 3}
    expected = reference(parts, weights, **options, max_new_tokens=NEW)
    actual = joint.generate(**options, max_new_tokens=NEW, alpha=torch.tensor(weights))
    assert actual.tolist() == expected.tolist()


def test_a_call_may_name_its_weights(joint: JointForCausalLM, parts: list[PreTrainedModel]) -> None:
    ids = torch.tensor([[5, 17, 200]])
    options: dict[str, Any] = {"max_new_tokens": NEW, "do_sample": False}
    alone = joint.generate(ids, alpha={"biomed": 1.0}, **options)
    assert alone.tolist() == parts[2].generate(ids, **options).tolist()
    assert joint.generate(ids, alpha=0.0 * torch.ones(1, 2), **options).tolist() == (
        parts[0].generate(ids, suppress_tokens=[*range(VOCABULARY, 400)], **options).tolist()
    )


@pytest.mark.parametrize("sample", [False, True])
def test_drafts_of_a_smaller_model_change_nothing(
    joint: JointForCausalLM, parts: list[PreTrainedModel], sample: bool
) -> None:
    draft = tiny_model("llama", seed=9, vocab_size=VOCABULARY)
    prompt = PROMPTS[0]
    row = joint.generate(
        torch.tensor([prompt]), assistant_model=draft, max_new_tokens=12, do_sample=sample
    )
    assert row.shape[1] <= len(prompt) + 12
    if not sample:
        assert row[0, len(prompt) :].tolist() == chosen(parts, prompt, count=12)


def test_prompt_lookup_changes_nothing(
    joint: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    prompt = PROMPTS[0] * 2
    row = joint.generate(
        torch.tensor([prompt]), prompt_lookup_num_tokens=3, max_new_tokens=12, do_sample=False
    )
    assert row[0, len(prompt) :].tolist() == chosen(parts, prompt, count=12)


def test_a_repetition_penalty_acts_on_the_mixture(
    joint: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    """The rule of the CTRL paper, on logits that have the base's log-sum-exp."""
    prompt, penalty = [5, 17, 200], 1.7
    tokens = list(prompt)
    for _ in range(12):
        with torch.no_grad():
            logits_V = parts[0](input_ids=torch.tensor([tokens])).logits[0, -1, :VOCABULARY]
        scores_V = joint_log_probs(parts, WEIGHTS, tokens, VOCABULARY)[-1]
        scores_V += logits_V.double().logsumexp(0)
        for token in set(tokens):
            scores_V[token] *= penalty if scores_V[token] < 0 else 1 / penalty
        tokens.append(int(scores_V.argmax()))
    row = joint.generate(
        torch.tensor([prompt]), repetition_penalty=penalty, max_new_tokens=12, do_sample=False
    )
    assert row[0].tolist() == tokens


def test_text_ends_with_a_stop_string(joint: JointForCausalLM) -> None:
    tokenizer = tiny_tokenizer()
    prompt = torch.tensor([PROMPTS[1]])
    whole = joint.generate(prompt, max_new_tokens=12, do_sample=False)[0, prompt.shape[1] :]
    stop = next(text for text in map(tokenizer.decode, whole[2:-1]) if text.isascii())
    ended = joint.generate(
        prompt, max_new_tokens=12, do_sample=False, stop_strings=[stop], tokenizer=tokenizer
    )[0, prompt.shape[1] :]
    assert ended.tolist() == whole[: len(ended)].tolist()
    assert stop in tokenizer.decode(ended)
    assert stop not in tokenizer.decode(ended[:-1])
    assert len(ended) < 12


def test_an_end_of_text_ends_one_sequence_of_a_batch(joint: JointForCausalLM) -> None:
    batch = left_padded(PROMPTS)
    whole = joint.generate(**batch, max_new_tokens=NEW, do_sample=False)
    end = int(whole[2, -3])
    ended = joint.generate(
        **batch, max_new_tokens=NEW, do_sample=False, eos_token_id=end, pad_token_id=PAD
    )
    start = batch["input_ids"].shape[1]
    for row, reference in zip(ended[:, start:], whole[:, start:].tolist(), strict=True):
        own = reference[: reference.index(end) + 1] if end in reference else reference
        assert row[: len(own)].tolist() == own
        assert set(row[len(own) :].tolist()) <= {PAD}


def test_a_streamer_gets_the_text_as_it_comes(joint: JointForCausalLM) -> None:
    tokenizer = tiny_tokenizer()
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
    prompt = torch.tensor([PROMPTS[0]])
    row = joint.generate(prompt, max_new_tokens=NEW, do_sample=False, streamer=streamer)
    assert "".join(streamer) == tokenizer.decode(row[0, prompt.shape[1] :])


def test_compiled_decoding_changes_nothing(
    joint: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    compiled = CompileConfig(backend="eager", fullgraph=True, dynamic=None, mode=None)
    compiled._compile_all_devices = True
    prompt = PROMPTS[0]
    row = joint.generate(
        torch.tensor([prompt]),
        max_new_tokens=NEW,
        do_sample=False,
        cache_implementation="static",
        compile_config=compiled,
    )
    assert joint._compiled_call is not None
    assert row[0, len(prompt) :].tolist() == chosen(parts, prompt)


@pytest.mark.parametrize("cache", [None, "static"])
def test_a_base_with_sliding_windows(parts: list[PreTrainedModel], cache: str | None) -> None:
    config = MistralConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=6,
        bos_token_id=1,
        eos_token_id=None,
    )
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config).eval()
    base.generation_config.pad_token_id = PAD
    joint = JointForCausalLM.from_models(base, {"law": parts[1]}, {"law": 0.4}, VOCABULARY)
    batch = joint.generate(
        **left_padded(PROMPTS), max_new_tokens=NEW, do_sample=False, cache_implementation=cache
    )
    for row, prompt in zip(batch, PROMPTS, strict=True):
        tokens = list(prompt)
        for _ in range(NEW):
            log_probs_TV = joint_log_probs([base, parts[1]], [0.4], tokens, VOCABULARY)
            tokens.append(int(log_probs_TV[-1].argmax()))
        assert own_tokens(row) == tokens


def test_a_conversation_goes_on_with_the_cache_of_the_last_turn(
    joint: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    first = joint.generate(
        torch.tensor([PROMPTS[0]]), max_new_tokens=4, do_sample=False, return_dict_in_generate=True
    )
    ids = torch.cat([first.sequences, torch.tensor([[9, 8, 7]])], dim=1)
    second = joint.generate(
        ids, past_key_values=first.past_key_values, max_new_tokens=4, do_sample=False
    )
    assert second[0, ids.shape[1] :].tolist() == chosen(parts, ids[0].tolist(), count=4)


def test_the_default_length_respects_the_shortest_context(joint: JointForCausalLM) -> None:
    with pytest.warns(UserWarning, match="model-agnostic default"):
        row = joint.generate(torch.ones(1, 250, dtype=torch.long), do_sample=False)
    assert row.shape[1] == 256


def test_a_paged_cache_is_refused(joint: JointForCausalLM) -> None:
    with pytest.raises(UserError, match="cannot use a paged one"):
        joint.generate(torch.tensor([[5]]), cache_implementation="paged", max_new_tokens=2)
    with pytest.raises(UserError, match="cannot use a paged one"):
        joint.generate_batch([[5]], max_new_tokens=2)


def test_a_misspelt_option_is_refused(joint: JointForCausalLM) -> None:
    with pytest.raises(ValueError, match="aplha"):
        joint.generate(torch.tensor([[5]]), aplha=0.5, max_new_tokens=2)
