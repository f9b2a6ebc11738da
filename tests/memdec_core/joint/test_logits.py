"""The joint model's logits are those of the mixture, in every cache mode, padding and batch."""

import pytest
import torch
from transformers import PreTrainedModel, StaticCache

from memdec_core.errors import UserError
from memdec_core.joint import JointConfig, JointForCausalLM
from memdec_core.joint.joint_parts import JointCache
from tests.memdec_core.joint.conftest import VOCABULARY, left_padded, random_prompts
from tests.oracles.joint_oracle import joint_log_probs
from tests.support.tiny_models import tiny_model

WEIGHTS = [0.4, 0.25]
PROMPTS = random_prompts(5, seed=1)
NAN = float("nan")


def last_log_probs(joint: JointForCausalLM, **inputs: object) -> torch.Tensor:
    with torch.no_grad():
        logits = joint(**inputs).logits
    assert logits.dtype == torch.float32
    assert logits.shape[-1] == VOCABULARY
    return torch.log_softmax(logits.double(), dim=-1)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_whole_sequence(
    joint: JointForCausalLM, parts: list[PreTrainedModel], prompt: list[int]
) -> None:
    expected = joint_log_probs(parts, WEIGHTS, prompt, VOCABULARY)
    actual = last_log_probs(joint, input_ids=torch.tensor([prompt]))[0]
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("chunk", [1, 3, 24])
def test_a_padded_batch_fed_in_chunks_with_a_cache(
    joint: JointForCausalLM, parts: list[PreTrainedModel], cache: str, chunk: int
) -> None:
    batch = left_padded(PROMPTS)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    fixed = (StaticCache(part.config, max_cache_len=40) for part in parts)
    past = JointCache(list(fixed)) if cache == "static" else None
    seen = []
    for start in range(0, ids.shape[1], chunk):
        end = min(start + chunk, ids.shape[1])
        with torch.no_grad():
            output = joint(
                input_ids=ids[:, start:end],
                attention_mask=mask[:, :end],
                position_ids=positions[:, start:end],
                past_key_values=past,
                use_cache=True,
            )
        past = output.past_key_values
        seen.append(torch.log_softmax(output.logits.double(), dim=-1))
    actual_BTV = torch.cat(seen, dim=1)
    assert past.get_seq_length() == ids.shape[1]
    for row, prompt in enumerate(PROMPTS):
        expected = joint_log_probs(parts, WEIGHTS, prompt, VOCABULARY)
        torch.testing.assert_close(actual_BTV[row, -len(prompt) :], expected, atol=2e-5, rtol=0)


def test_every_sequence_has_weights_of_its_own(
    joint: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    weights = [[0.0, 0.0], [1.0, 0.0], [0.2, 0.8], [0.0, 1.0], [0.3, 0.1]]
    batch = left_padded(PROMPTS)
    positions = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
    actual = last_log_probs(joint, **batch, position_ids=positions, alpha=torch.tensor(weights))
    for row, (prompt, own) in enumerate(zip(PROMPTS, weights, strict=True)):
        expected = joint_log_probs(parts, own, prompt, VOCABULARY)[-1]
        torch.testing.assert_close(actual[row, -1], expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("per_sequence", [False, True])
@pytest.mark.parametrize(("alpha", "part"), [([0.0, 0.0], 0), ([1.0, 0.0], 1), ([0.0, 1.0], 2)])
def test_all_the_weight_on_one_part_gives_its_logits_to_the_bit(
    joint: JointForCausalLM,
    parts: list[PreTrainedModel],
    alpha: list[float],
    part: int,
    per_sequence: bool,
) -> None:
    ids = torch.tensor([[5, 17, 200, 31], [9, 8, 7, 6]])
    given = torch.tensor([alpha, alpha]) if per_sequence else alpha
    with torch.no_grad():
        actual = joint(input_ids=ids, alpha=given).logits
        own = parts[part](input_ids=ids).logits[..., :VOCABULARY]
    assert torch.equal(actual, own)


def test_weights_may_be_named(joint: JointForCausalLM) -> None:
    ids = torch.tensor([[5, 17, 200, 31]])
    with torch.no_grad():
        named = joint(input_ids=ids, alpha={"biomed": 0.5}).logits
        listed = joint(input_ids=ids, alpha=[0.0, 0.5]).logits
    assert torch.equal(named, listed)


def test_the_logits_are_on_the_bases_scale(joint: JointForCausalLM) -> None:
    ids = torch.tensor([[5, 17, 200, 31]])
    with torch.no_grad():
        mixed = joint(input_ids=ids).logits
        base = joint(input_ids=ids, alpha=[0.0, 0.0]).logits
    torch.testing.assert_close(mixed.logsumexp(-1), base.logsumexp(-1), atol=1e-5, rtol=0)


def test_only_the_wanted_positions_are_predicted(joint: JointForCausalLM) -> None:
    ids = torch.tensor([[5, 17, 200, 31, 77]])
    whole = last_log_probs(joint, input_ids=ids)
    torch.testing.assert_close(
        last_log_probs(joint, input_ids=ids, logits_to_keep=2), whole[:, -2:]
    )
    chosen = torch.tensor([0, 3])
    torch.testing.assert_close(
        last_log_probs(joint, input_ids=ids, logits_to_keep=chosen), whole[:, chosen]
    )


def test_bfloat16_is_as_near_as_its_rounding() -> None:
    parts = [tiny_model("gpt2", seed=1), tiny_model("llama", seed=3)]
    prompt = PROMPTS[0]
    expected = joint_log_probs(parts, [0.4], prompt, VOCABULARY)
    halves = [part.to(torch.bfloat16) for part in parts]
    joint = JointForCausalLM.from_models(halves[0], {"m": halves[1]}, {"m": 0.4}, VOCABULARY)
    assert joint.dtype == torch.bfloat16
    actual = last_log_probs(joint, input_ids=torch.tensor([prompt]))[0]
    torch.testing.assert_close(actual, expected, atol=0.03, rtol=0)


def test_a_compiled_model_gives_the_same_logits(joint: JointForCausalLM) -> None:
    ids = torch.tensor([[5, 17, 200, 31]])
    compiled = torch.compile(joint, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(input_ids=ids).logits, joint(input_ids=ids).logits)


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (0.5, "1 values for 2 memories"),
        ([0.7, 0.7], "together they are at most 1"),
        ([-0.1, 0.2], "between 0 and 1"),
        ({"chemistry": 0.5}, "no memory is called 'chemistry'; there are law, biomed"),
        (torch.tensor([0.5]), "has the shape"),
        (torch.tensor([[0.8, 0.8]]), "at most 1"),
        (torch.tensor([[-0.8, 0.8]]), "between 0 and 1"),
        ([NAN, 0.2], "weights are nan, 0.2"),
        ([0.2, NAN], "weights are 0.2, nan"),
        ({"law": NAN}, "weights are nan, 0"),
        (torch.tensor([[0.2, 0.2], [0.2, NAN]]), "weights are nan"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    joint: JointForCausalLM, alpha: object, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        joint(input_ids=torch.tensor([[5]]), alpha=alpha)


def test_the_cache_of_one_model_is_refused(joint: JointForCausalLM) -> None:
    foreign = joint.base(input_ids=torch.tensor([[5]]), use_cache=True).past_key_values
    with pytest.raises(UserError, match="one cache per part"):
        joint(input_ids=torch.tensor([[6]]), past_key_values=foreign)
    with pytest.raises(UserError, match="leave it out"):
        joint.generate(torch.tensor([[6]]), past_key_values=foreign, max_new_tokens=1)


def test_token_types_are_refused(joint: JointForCausalLM) -> None:
    ids = torch.tensor([[5, 17]])
    with pytest.raises(UserError, match="return_token_type_ids=False"):
        joint(input_ids=ids, token_type_ids=torch.zeros_like(ids))


def test_a_joint_model_with_a_weight_of_nan_cannot_be_made(parts: list[PreTrainedModel]) -> None:
    with pytest.raises(UserError, match=r"weights are 0\.2, nan: each lies between 0 and 1"):
        JointConfig(memories=["law", "biomed"], weights=[0.2, NAN])
    with pytest.raises(UserError, match="weights are nan: each lies between 0 and 1"):
        JointForCausalLM.from_models(parts[0], {"law": parts[1]}, {"law": NAN}, VOCABULARY)
