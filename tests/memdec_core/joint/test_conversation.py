"""A conversation says what one pass over the whole rendered conversation would say."""

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.errors import UserError
from memdec_core.joint import JointForCausalLM
from memdec_core.joint.conversation import Conversation
from tests.memdec_core.joint.conftest import VOCABULARY
from tests.oracles.joint_oracle import joint_log_probs
from tests.support.tiny_models import CHAT_TEMPLATE, tiny_tokenizer

FORGETFUL = CHAT_TEMPLATE.replace(
    "{% for message in messages %}", "{% for message in messages[-1:] %}"
)
"""Like those that leave the thoughts of earlier turns out: its text does not grow at the end."""
NEW = 10


def chatting_tokenizer(template: str = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    tokenizer = tiny_tokenizer(VOCABULARY)
    tokenizer.chat_template = template
    return tokenizer


def greedy_reply(
    parts: list[PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    turns: list[tuple[str, str]],
    alpha: float,
) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    tokens = tokenizer(text)["input_ids"]
    start = len(tokens)
    for _ in range(NEW):
        log_probs_TV = joint_log_probs(parts[:2], [alpha], tokens, VOCABULARY)
        tokens.append(int(log_probs_TV[-1].argmax()))
    return str(tokenizer.decode(tokens[start:], skip_special_tokens=True))


def conversation(
    joint: JointForCausalLM, template: str = CHAT_TEMPLATE, system: str | None = None
) -> Conversation:
    config = ContinuationConfig(max_new_tokens=NEW)
    return Conversation(joint, chatting_tokenizer(template), config, 0.4, system)


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, FORGETFUL])
def test_every_turn_is_that_of_the_whole_conversation(
    single: JointForCausalLM, parts: list[PreTrainedModel], template: str
) -> None:
    chat, tokenizer = conversation(single, template, "be brief"), chatting_tokenizer(template)
    turns = [("system", "be brief")]
    for message, alpha in (("the memory", 0.4), ("of a token", 0.4), ("and windows", 0.9)):
        chat.alpha = alpha
        pieces: list[str] = []
        turns.append(("user", message))
        expected = greedy_reply(parts, tokenizer, turns, alpha)
        assert chat.reply(message, pieces.append, lambda: False) == expected
        assert "".join(pieces) == expected
        turns.append(("assistant", expected))
    assert (chat.tokens_reused > 0) == (template == CHAT_TEMPLATE)


def test_what_was_read_is_not_read_again(single: JointForCausalLM) -> None:
    chat = conversation(single)
    fed: list[int] = []
    watch = single.base.register_forward_pre_hook(
        lambda _module, _args, options: fed.append(options["input_ids"].shape[1]), with_kwargs=True
    )
    try:
        first = chat.reply("the memory of a small model", lambda _text: None, lambda: False)
        before = len(fed)
        chat.reply("token", lambda _text: None, lambda: False)
    finally:
        watch.remove()
    assert first
    assert fed[before] < fed[0]


def test_an_answer_that_is_stopped_counts(
    single: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    chat = conversation(single)
    asked = iter([False, False, True])
    part = chat.reply("the memory", lambda _text: None, lambda: next(asked))
    whole = greedy_reply(parts, chatting_tokenizer(), [("user", "the memory")], 0.4)
    assert whole.startswith(part.rstrip("\ufffd"))
    assert len(part) < len(whole)
    turns = [("user", "the memory"), ("assistant", part), ("user", "go on")]
    expected = greedy_reply(parts, chatting_tokenizer(), turns, 0.4)
    assert chat.reply("go on", lambda _text: None, lambda: False) == expected


def test_a_new_start_forgets_all_but_the_system_text(single: JointForCausalLM) -> None:
    chat = conversation(single, system="be brief")
    first = chat.reply("the memory", lambda _text: None, lambda: False)
    chat.reply("and then", lambda _text: None, lambda: False)
    chat.reset()
    assert chat.reply("the memory", lambda _text: None, lambda: False) == first
    assert chat.tokens_reused == 0


def test_a_full_context_is_said_and_changes_nothing(
    single: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    chat = conversation(single)
    first = chat.reply("the memory", lambda _text: None, lambda: False)
    with pytest.raises(UserError, match="fills the context of 256: start a new one"):
        chat.reply("words " * 300, lambda _text: None, lambda: False)
    turns = [("user", "the memory"), ("assistant", first), ("user", "go on")]
    expected = greedy_reply(parts, chatting_tokenizer(), turns, 0.4)
    assert chat.reply("go on", lambda _text: None, lambda: False) == expected


def test_an_answer_is_cut_where_the_context_ends(single: JointForCausalLM) -> None:
    tokenizer = chatting_tokenizer()
    config = ContinuationConfig(max_new_tokens=300)
    chat = Conversation(single, tokenizer, config, 0.4)
    chat.reply("the memory", lambda _text: None, lambda: False)
    with pytest.raises(UserError, match="fills the context"):
        chat.reply("go on", lambda _text: None, lambda: False)


def test_a_template_that_refuses_is_the_users_mistake(single: JointForCausalLM) -> None:
    chat = conversation(single, "{{ raise_exception('no system messages here') }}", "be brief")
    with pytest.raises(UserError, match="no system messages here"):
        chat.reply("hello", lambda _text: None, lambda: False)


def test_a_template_with_a_token_that_the_memory_lacks_is_refused(
    single: JointForCausalLM,
) -> None:
    tokenizer = chatting_tokenizer("<|turn|>" + CHAT_TEMPLATE)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>"]})
    chat = Conversation(single, tokenizer, ContinuationConfig(), 0.4)
    with pytest.raises(UserError, match=r"spells out <\|turn\|>"):
        chat.reply("hello", lambda _text: None, lambda: False)


def test_samples_differ_from_turn_to_turn_and_repeat_with_the_seed(
    single: JointForCausalLM,
) -> None:
    def answers(seed: int) -> list[str]:
        torch.manual_seed(seed)
        config = ContinuationConfig(max_new_tokens=NEW, temperature=1.5)
        chat = Conversation(single, chatting_tokenizer(), config, 0.4)
        return [chat.reply("the memory", lambda _text: None, lambda: False) for _ in range(2)]

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)
    assert len(set(answers(1))) == 2
