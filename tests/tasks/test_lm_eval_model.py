"""The harness gets from our systems what plain loops and our own scoring get."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip(
    "lm_eval",
    reason="NOT TESTED: the adapter for lm-evaluation-harness; pip install -e '.[lm-eval]'",
)

from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance, OutputType
from lm_eval.api.registry import get_model
from lm_eval.models.huggingface import HFLM

from memdec_core.downstream.choice_scoring import choice_log_probs
from memdec_core.downstream.choice_strings import encode_choices, encode_prompts
from memdec_core.errors import UserError
from memdec_core.joint import JointForCausalLM
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from storage.store.artifact_store import Store
from tasks.lm_eval_model import MemdecLM
from tests.oracles.continuation_oracle import (
    NextToken,
    continuation_score,
    greedy_tokens,
    mixed_next_token,
    transformer_next_token,
)
from tests.support.finished_pipeline import record_pipeline
from tests.support.tiny_models import tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
VOCAB = len(TOKENIZER)
CONTEXT = 48
ALPHA = 0.6
CHOICES = [" awful", " great"]


def ids(text: str) -> list[int]:
    return TOKENIZER(text)["input_ids"]


@cache
def part(seed: int) -> TransformerLM:
    model = tiny_model("gpt2", seed=seed, width=64, vocab_size=VOCAB, context_length=CONTEXT)
    return TransformerLM(model, VOCAB)


def system(name: str) -> tuple[LanguageModel, NextToken]:
    base, memory = (transformer_next_token(part(seed).model, VOCAB) for seed in (1, 2))
    if name == "base":
        return part(1), base
    return MixtureLM(part(1), part(2), ALPHA), mixed_next_token(base, memory, ALPHA)


def requests(kind: OutputType, arguments: Sequence[tuple]) -> list[Instance]:
    return [Instance(kind, {}, each, number) for number, each in enumerate(arguments)]


@pytest.mark.parametrize("name", ["base", "mixture"])
def test_loglikelihoods_are_those_of_single_tokens(name: str) -> None:
    lm, next_token = system(name)
    greedy = TOKENIZER.decode(greedy_tokens(next_token, ids("every token is"), 3))
    # text pairs, and how they are to be split
    cases = {
        ("A token follows", " a token"): ("A token follows", " a token"),
        ("The memory of ", "keys"): ("The memory of", " keys"),
        ("A window \n", "moves"): ("A window", " \nmoves"),
        ("every token is", greedy): ("every token is", greedy),
        ("", "The model reads"): ("<|endoftext|>", "The model reads"),
        ("  ", "x"): ("<|endoftext|>", "  x"),
        ("Neighbours that lie near " * 9, " share"): ("Neighbours that lie near " * 9, " share"),
    }
    expected = []
    for before, after in cases.values():
        stem = before.rstrip()
        whole, context = ids(stem + before[len(stem) :] + after), ids(stem)
        tokens = whole[len(context) :]
        expected.append(continuation_score(next_token, context[-(CONTEXT - len(tokens)) :], tokens))
    results = MemdecLM(lm, TOKENIZER).loglikelihood(requests("loglikelihood", list(cases)))
    np.testing.assert_allclose(
        [log_prob for log_prob, _ in results], [log_prob for log_prob, _ in expected], atol=1e-4
    )
    assert [greedy for _, greedy in results] == [greedy for _, greedy in expected]
    assert results[3][1]


@pytest.mark.parametrize("name", ["base", "mixture"])
def test_rolling_loglikelihoods_predict_each_token_once(name: str) -> None:
    lm, next_token = system(name)
    texts = ["A window moves over the tokens, and every token is predicted once. " * 7, "key", ""]
    expected = []
    for text in texts:
        tokens, total = ids(text), 0.0
        for start in range(0, len(tokens), CONTEXT - 1):
            end = min(start + CONTEXT - 1, len(tokens))
            before = tokens[end - CONTEXT : start] if start else [0]  # only the last has much
            total += continuation_score(next_token, before, tokens[start:end])[0]
        expected.append(total)
    assert len(ids(texts[0])) > 2 * CONTEXT
    found = MemdecLM(lm, TOKENIZER).loglikelihood_rolling(
        requests("loglikelihood_rolling", [(text,) for text in texts])
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_generation_is_greedy_up_to_the_stop_strings() -> None:
    lm, next_token = system("mixture")
    whole = TOKENIZER.decode(greedy_tokens(next_token, ids("A token"), 20))
    options = {"until": [whole[6:9], "§"], "max_gen_toks": 20}
    texts = MemdecLM(lm, TOKENIZER).generate_until(
        requests("generate_until", [("A token", options), ("A token", {"max_gen_toks": 20})])
    )
    assert texts == [whole[: whole.index(whole[6:9])], whole]


def test_sampling_is_refused() -> None:
    options = {"until": [], "max_gen_toks": 5, "do_sample": True, "temperature": 0.7}
    with pytest.raises(UserError, match="do_sample"):
        MemdecLM(part(1), TOKENIZER).generate_until(requests("generate_until", [("A", options)]))


@pytest.mark.parametrize(("before", "after"), [("The model", ""), ("The memor", "y")])
def test_a_continuation_without_a_token_of_its_own_is_the_users_mistake(
    before: str, after: str
) -> None:
    assert len(ids(before + after)) <= len(ids(before))
    merged = requests("loglikelihood", [(before, after)])
    with pytest.raises(UserError, match=f"the continuation '{after}' has no token of its own"):
        MemdecLM(part(1), TOKENIZER).loglikelihood(merged)


REVIEWS = [
    "The memory of a small model is what it has read",
    "Neighbours lie near to one another",
    "A window moves over the tokens",
    "keys share the words that follow",
    "every token is predicted once",
    "it is given what it reads",
    "naïve café, tabs and lines",
    "a token follows a token",
]


def write_task(folder: Path) -> dict[str, Any]:
    """A data set of labelled texts in a local file, as a task of the harness."""
    records = [{"text": text, "label": n % 2} for n, text in enumerate(REVIEWS)]
    path = folder / "reviews.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return {
        "task": "reviews",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(path)},
            "cache_dir": str(folder / "cache"),
        },
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{text}} It was",
        "doc_to_target": "label",
        "doc_to_choice": CHOICES,
        "target_delimiter": "",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }


def test_the_harness_evaluates_as_our_own_choice_scoring_does(tmp_path: Path) -> None:
    lm, next_token = system("mixture")
    found = simple_evaluate(
        MemdecLM(lm, TOKENIZER), tasks=[write_task(tmp_path)], bootstrap_iters=0
    )
    prompts, _ = encode_prompts(TOKENIZER, [f"{text} It was" for text in REVIEWS], CONTEXT - 8)
    strings = encode_choices(TOKENIZER, tuple((choice,) for choice in CHOICES))
    by_token_RE = choice_log_probs(lm, prompts, strings, batch_tokens=200)
    ours_RS = np.add.reduceat(by_token_RE, strings.first_S, axis=1)
    by_document = {sample["doc_id"]: sample for sample in found["samples"]["reviews"]}
    theirs_RS = [
        [log_prob for log_prob, _ in by_document[number]["filtered_resps"]]
        for number in range(len(REVIEWS))
    ]
    np.testing.assert_allclose(theirs_RS, ours_RS, atol=1e-4)
    plain = [
        [continuation_score(next_token, ids(f"{text} It was"), ids(c))[0] for c in CHOICES]
        for text in REVIEWS
    ]
    np.testing.assert_allclose(theirs_RS, plain, atol=1e-4)
    assert set(ours_RS.argmax(axis=1)) == {0, 1}
    accuracy = np.mean(ours_RS.argmax(axis=1) == np.arange(len(REVIEWS)) % 2)
    assert found["results"]["reviews"]["acc,none"] == pytest.approx(accuracy)


def test_the_harness_gets_the_same_from_its_own_model_around_a_joint_one(tmp_path: Path) -> None:
    ours = MemdecLM(system("mixture")[0], TOKENIZER)
    joint = JointForCausalLM.from_models(
        part(1).model, {"memory": part(2).model}, {"memory": ALPHA}, VOCAB
    )
    theirs = HFLM(joint, tokenizer=tiny_tokenizer(), max_length=CONTEXT, batch_size=3, device="cpu")
    task = write_task(tmp_path)
    scored = [
        simple_evaluate(model, tasks=[dict(task)], bootstrap_iters=0) for model in (ours, theirs)
    ]
    by_document = [
        {sample["doc_id"]: sample["filtered_resps"] for sample in found["samples"]["reviews"]}
        for found in scored
    ]
    for number in range(len(REVIEWS)):
        (one, one_greedy), (other, other_greedy) = (
            zip(*found[number], strict=True) for found in by_document
        )
        np.testing.assert_allclose(one, other, atol=1e-4)
        assert one_greedy == other_greedy
    assert (
        scored[0]["results"]["reviews"]["acc,none"] == scored[1]["results"]["reviews"]["acc,none"]
    )
    texts = requests("loglikelihood_rolling", [(text,) for text in REVIEWS])
    np.testing.assert_allclose(
        ours.loglikelihood_rolling(texts), theirs.loglikelihood_rolling(texts), rtol=1e-5
    )
    options = {"until": [" "], "max_gen_toks": 12}
    prompts = requests("generate_until", [(text, options) for text in REVIEWS])
    assert ours.generate_until(prompts) == theirs.generate_until(prompts)


@pytest.mark.parametrize("device", ["cpu", "cuda:0", None])
def test_the_registered_model_opens_a_finished_pipeline(store: Store, device: str | None) -> None:
    record_pipeline(store, "law", alpha=0.7)
    found = get_model("memdec").create_from_arg_string(
        f"pipeline=law,store={store.url},system=memory", {"device": device, "batch_size": 1}
    )
    assert isinstance(found, MemdecLM)
    assert isinstance(found.lm, MixtureLM)
    assert found.lm.alpha == 0.7


def test_a_wrong_option_names_the_right_ones(store: Store) -> None:
    with pytest.raises(UserError, match=r"model_args\.pipelin: .* pipeline, store, system"):
        get_model("memdec").create_from_arg_string(f"pipelin=law,pipeline=x,store={store.url}")
