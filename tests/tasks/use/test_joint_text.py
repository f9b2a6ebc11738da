"""Both sides are what the other decoders make of the stored models."""

import pytest

from memdec_core.decoding.decoders import MixtureDecoder, TransformerDecoder, generate
from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_store import Store
from tasks.use.joint_text import continue_both, open_conversation
from tests.support.scored_text import VOCABULARY, make_model, publish_model
from tests.support.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PROMPT = "the memory of a small model"
CONFIG = ContinuationConfig(max_new_tokens=20)
BASE, MEMORY = 1, 9


def text_of(alpha: float) -> str:
    parts = (TransformerDecoder(TransformerLM(make_model(s), VOCABULARY)) for s in (BASE, MEMORY))
    tokens = generate(MixtureDecoder(*parts, alpha), TOKENIZER(PROMPT)["input_ids"], 20, {0})
    return str(TOKENIZER.decode(list(tokens)))


def test_the_base_by_itself_and_with_its_memory(store: Store) -> None:
    base, memory = publish_model(store, BASE), publish_model(store, MEMORY, stage="memory")
    texts = continue_both(store, base, memory, 0.9, PROMPT, CONFIG, "cpu")
    assert texts == {"base": [text_of(0.0)], "memory": [text_of(0.9)]}
    assert texts["base"] != texts["memory"]


def test_both_sides_have_as_many_samples_and_the_same_chance(store: Store) -> None:
    base, memory = publish_model(store, BASE), publish_model(store, MEMORY, stage="memory")
    config = CONFIG.model_copy(update={"temperature": 1.0, "num_samples": 3})
    alike = continue_both(store, base, memory, 0.0, PROMPT, config, "cpu")
    assert alike["base"] == alike["memory"]
    assert len(set(alike["base"])) == 3


def test_a_model_that_was_not_made_is_named(store: Store) -> None:
    memory = publish_model(store, MEMORY, stage="memory")
    absent = memory.model_copy(update={"stage": "base_model"})
    with pytest.raises(MissingArtifact, match="no artifact base_model/"):
        continue_both(store, absent, memory, 0.5, PROMPT, CONFIG, "cpu")


def test_a_base_without_a_chat_template_does_not_chat(store: Store) -> None:
    base, memory = publish_model(store, BASE), publish_model(store, MEMORY, stage="memory")
    with pytest.raises(UserError, match=r"no chat template.*memdec generate"):
        open_conversation(store, base, memory, 0.5, CONFIG, None, "cpu")
