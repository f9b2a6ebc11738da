"""Every job of every plan has a name that a person understands."""

import pytest

from tasks.jobs.stage_words import page_title, run_title


@pytest.mark.parametrize(
    ("stage", "name", "sentence"),
    [
        ("corpus", "corpus", "Read the documents of law"),
        ("corpus", "base_model_corpus", "Read the documents for the base model"),
        ("corpus", "general_corpus", "Read the documents for general"),
        ("base_model", "base_model", "Prepare the base model of law"),
        ("base_model", "evaluated_1", "Prepare base 2"),
        ("base_model", "student", "Prepare the student"),
        ("embeddings", "embeddings", "Embed the tokens of law"),
        ("embeddings", "knn_lm_0_embeddings", "Embed the tokens for kNN-LM on base 1"),
        ("memory", "memory", "Train the memory of law"),
        ("memory", "memory_beta_0.3", "Train the memory with β = 0.3"),
        ("scores", "memory_scores", "Score the memory"),
        ("scores", "base_0_scores", "Score base 1"),
        ("scores", "general_memory_scores", "Score the memory on general"),
        ("scores", "production_scores", "Score the memory in production"),
        (
            "scores",
            "previous_text_production_scores",
            "Score the memory in production on previous text",
        ),
        ("promotion_gate", "promotion_gate", "Judge the new memory of law"),
        ("adapted_model", "lora_0_model", "Train LoRA on base 1"),
        ("router_features", "router_features_0", "Read the predictions of the memory and base 1"),
        ("report", "report", "Write the report on law"),
    ],
)
def test_a_run_is_named_by_a_sentence(stage: str, name: str, sentence: str) -> None:
    assert run_title(stage, name, "law") == sentence


def test_a_stage_without_words_is_still_named() -> None:
    assert run_title("drift_check", "drift_check", "law") == "Drift check of law"


def test_a_page_is_headed_by_what_the_artifact_is() -> None:
    assert page_title("embeddings", "embeddings", "law") == "Datastore of law"
    assert page_title("scores", "knn_lm_0_scores", "law") == "Scores of law: kNN-LM on base 1"
