"""Decoders score tokens as their plain logits say, over the shared vocabulary."""

import pytest
import torch

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM, token_log_probs
from tests.support.tiny_models import capped_model, tiny_model

ARCHITECTURES = ["gpt2", "qwen2", "qwen3", "llama"]


class OnlyLogProbs:
    """A language model without a way of its own to score tokens."""

    def __init__(self, lm: TransformerLM) -> None:
        self.lm = lm
        self.vocab_size = lm.vocab_size

    def log_probs(self, tokens_BT: torch.Tensor) -> torch.Tensor:
        return self.lm.log_probs(tokens_BT)


def some_tokens(vocab_size: int = 400, length: int = 24) -> torch.Tensor:
    return torch.randint(vocab_size, (3, length), generator=torch.Generator().manual_seed(5))


def scored_after(first: int, tokens_BT: torch.Tensor) -> torch.Tensor:
    return (torch.arange(tokens_BT.shape[1]) >= first).expand_as(tokens_BT)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_padded_vocabulary_is_cut_off_and_the_rest_normalised(architecture: str) -> None:
    model = tiny_model(architecture, vocab_size=400)
    lm = TransformerLM(model, vocab_size=391)
    tokens_BT = some_tokens(391)
    with torch.no_grad():
        logits = model(input_ids=tokens_BT).logits.double()[..., :391]
    expected = logits - torch.logsumexp(logits, dim=-1, keepdim=True)
    log_probs = lm.log_probs(tokens_BT)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scoring_in_chunks_equals_picking_from_all_log_probs(architecture: str) -> None:
    lm = TransformerLM(tiny_model(architecture), 395, logit_bytes=4 * 395 * 5)
    tokens_BT = some_tokens(395)
    scored_BT = scored_after(7, tokens_BT)
    scores = token_log_probs(lm, tokens_BT, scored_BT)
    expected = token_log_probs(OnlyLogProbs(lm), tokens_BT, scored_BT)
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)


def test_whole_distributions_at_scored_positions_equal_all_log_probs() -> None:
    lm = TransformerLM(tiny_model(), 400, logit_bytes=4 * 400 * 4)
    tokens_BT = some_tokens()
    scored_BT = scored_after(20, tokens_BT)
    chunks = list(lm.scored_log_probs(tokens_BT, scored_BT))
    assert max(map(len, chunks)) == 4
    expected = lm.log_probs(tokens_BT)[:, 19:-1].reshape(-1, 400)
    torch.testing.assert_close(torch.cat(chunks), expected, atol=1e-5, rtol=0)


def test_padding_on_the_right_changes_no_score() -> None:
    lm = TransformerLM(tiny_model(), 400)
    tokens_BT = some_tokens()
    padded_BT = torch.cat([tokens_BT, torch.full((3, 9), 17)], dim=1)
    scored_BT = scored_after(1, tokens_BT)
    padded_scored_BT = torch.cat([scored_BT, torch.zeros(3, 9, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        token_log_probs(lm, padded_BT, padded_scored_BT),
        token_log_probs(lm, tokens_BT, scored_BT),
        atol=1e-5,
        rtol=0,
    )


def test_logits_that_are_capped_after_the_head_are_scored_as_the_model_gives_them() -> None:
    lm = TransformerLM(capped_model(0.5), 300, logit_bytes=4 * 300 * 5)
    tokens_BT = some_tokens(300)
    scored_BT = scored_after(3, tokens_BT)
    torch.testing.assert_close(
        token_log_probs(lm, tokens_BT, scored_BT),
        token_log_probs(OnlyLogProbs(lm), tokens_BT, scored_BT),
        atol=1e-5,
        rtol=0,
    )


def test_a_tokenizer_larger_than_the_model_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"predicts 400 tokens but the tokenizer has 401"):
        TransformerLM(tiny_model(), vocab_size=401)


def test_a_window_longer_than_the_context_is_the_users_mistake() -> None:
    lm = TransformerLM(tiny_model(context_length=16), 400)
    with pytest.raises(UserError, match=r"set windows\.length to 16"):
        lm.log_probs(some_tokens())
