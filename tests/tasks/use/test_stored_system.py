"""A finished pipeline's base and memory are opened as its evaluation says."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import MixtureLM
from storage.objects.store_errors import MissingStore
from storage.store.artifact_store import Store
from storage.store.run_history import record_run
from tasks.use.stored_system import StoredSystem, open_system
from tests.support.artifacts import publish
from tests.support.finished_pipeline import BASE_SEED, MEMORY_SEED, record_pipeline
from tests.support.scored_text import VOCABULARY, make_model, publish_model

TOKENS_BT = torch.arange(1, 30).reshape(1, -1)


def plain_log_probs(seed: int) -> torch.Tensor:
    with torch.no_grad():
        return make_model(seed)(input_ids=TOKENS_BT).logits.double().log_softmax(-1)


def mixed(alpha: float) -> torch.Tensor:
    base, memory = plain_log_probs(BASE_SEED).exp(), plain_log_probs(MEMORY_SEED).exp()
    return (alpha * memory + (1 - alpha) * base).log()


@pytest.fixture
def url(store: Store) -> str:
    """A store with two finished runs of the pipeline `law`, and one that stopped early."""
    record_pipeline(store, "law", alpha=0.2)
    record_pipeline(store, "law", alpha=0.7)
    record_run(store, "law", None, [publish_model(store, BASE_SEED)])
    return store.url


def test_the_memory_has_the_weight_that_the_newest_evaluation_tuned(url: str) -> None:
    lm, tokenizer = open_system(StoredSystem(pipeline="law", store=url, device="cpu"))
    assert isinstance(lm, MixtureLM)
    assert lm.vocab_size == len(tokenizer) == VOCABULARY
    log_probs = lm.log_probs(TOKENS_BT).double()
    torch.testing.assert_close(log_probs, mixed(0.7), atol=1e-4, rtol=0)


def test_a_weight_that_is_given_counts(url: str) -> None:
    wanted = StoredSystem(pipeline="law", store=url, alpha=0.5, device="cpu")
    log_probs = open_system(wanted)[0].log_probs(TOKENS_BT).double()
    torch.testing.assert_close(log_probs, mixed(0.5), atol=1e-4, rtol=0)


def test_the_base_is_opened_alone(url: str) -> None:
    wanted = StoredSystem(pipeline="law", store=url, system="base", device="cpu")
    lm = open_system(wanted)[0]
    assert isinstance(lm, TransformerLM)
    log_probs = lm.log_probs(TOKENS_BT).double()
    torch.testing.assert_close(log_probs, plain_log_probs(BASE_SEED), atol=1e-4, rtol=0)


def test_a_pipeline_without_a_finished_run_is_the_users_mistake(url: str) -> None:
    with pytest.raises(UserError, match=r"pipeline `tax` .*known: law"):
        open_system(StoredSystem(pipeline="tax", store=url))


def test_an_evaluation_of_an_older_format_is_the_users_mistake(store: Store) -> None:
    inputs = {"base_0": publish_model(store, BASE_SEED)}
    evaluation = publish(store, "evaluation", {"all": (lambda _folder: None, {})}, inputs=inputs)
    record_run(store, "law", None, [evaluation])
    with pytest.raises(UserError, match="made by an older memdec; `memdec run`"):
        open_system(StoredSystem(pipeline="law", store=store.url))


def test_an_unknown_system_is_refused() -> None:
    with pytest.raises(ValidationError, match="'base' or 'memory'"):
        StoredSystem(pipeline="law", system="knn")


def test_a_store_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(MissingStore, match="nowhere: no such folder"):
        open_system(StoredSystem(pipeline="law", store=str(tmp_path / "nowhere")))
