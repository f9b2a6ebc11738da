import numpy as np
import pytest

from memdec_core.downstream.choice_strings import encode_choices, encode_prompts, prompt_room
from memdec_core.errors import UserError
from tests.support.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def ids(text: str) -> list[int]:
    return TOKENIZER.backend_tokenizer.encode(text, add_special_tokens=False).ids


def test_a_label_keeps_its_strings_of_one_token_each_once() -> None:
    assert len(ids(" token")) == len(ids(" the")) == 1 < len(ids(" terrible"))
    choices = encode_choices(TOKENIZER, ((" terrible", " token", " the", " token"), (" and",)))
    assert choices.texts_S == (" token", " the", " and")
    assert choices.label_S.tolist() == [0, 0, 1]
    assert choices.offsets_S1.tolist() == [0, 1, 2, 3]
    assert choices.token_ids_E.tolist() == ids(" token") + ids(" the") + ids(" and")
    assert (choices.longer, choices.longest) == ([], 1)


def test_a_label_without_such_a_string_keeps_its_first_with_all_tokens() -> None:
    choices = encode_choices(TOKENIZER, ((" the",), (" terrible", " awful")))
    assert choices.texts_S == (" the", " terrible")
    assert choices.token_ids_E.tolist() == ids(" the") + ids(" terrible")
    assert choices.longer == [slice(1, 1 + len(ids(" terrible")))]
    assert choices.longest == len(ids(" terrible"))


def test_long_prompts_lose_their_beginning_and_short_ones_nothing() -> None:
    texts = ["The memory of a small model is what it has read. It was", " It was"]
    whole = [ids(text) for text in texts]
    prompts, n_cut = encode_prompts(TOKENIZER, texts, 6)
    assert len(whole[0]) > 6 >= len(whole[1])
    assert [prompt.tolist() for prompt in prompts] == [whole[0][-6:], whole[1]]
    assert n_cut == 1


def test_special_tokens_in_a_record_are_text() -> None:
    (prompt,), _ = encode_prompts(TOKENIZER, ["a<|endoftext|>b"], 100)
    assert TOKENIZER.eos_token_id not in prompt
    assert TOKENIZER.decode(prompt) == "a<|endoftext|>b"


@pytest.mark.parametrize(("model_context", "room"), [(None, 97), (60, 57), (1000, 97)])
def test_prompt_and_longest_choice_fill_the_smaller_context(
    model_context: int | None, room: int
) -> None:
    choices = encode_choices(TOKENIZER, ((" the",), (" xqz",)))
    assert choices.longest == 3 or pytest.fail(str(np.diff(choices.offsets_S1)))
    assert prompt_room(choices, 100, model_context) == room


def test_a_choice_as_long_as_the_context_is_the_users_mistake() -> None:
    choices = encode_choices(TOKENIZER, ((" terrible",),))
    with pytest.raises(UserError, match=r"leaves no room.*context_tokens"):
        prompt_room(choices, 100, choices.longest)
