"""Choice scores of a small model from a small file, against plain forward passes and loops."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from memdec_core.downstream.downstream_config import DownstreamConfig
from memdec_core.downstream.downstream_table import mixed_downstream_rows
from memdec_core.errors import UserError
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import EvaluationConfig
from storage.formats.choice_parquet import ChoiceTable, read_choices
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import downstream_identity
from tasks.inputs.downstream_inputs import list_tasks, scored_tasks
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_embeddings import embed_shard, list_shards
from tasks.stages.build_index import index_shard
from tasks.stages.compared.score_choices import score_shard
from tasks.stages.compared.score_knn_choices import score_shard as score_knn_shard
from tests.oracles.downstream_oracle import slow_accuracy, slow_predictions
from tests.oracles.embeddings_oracle import slow_rows
from tests.oracles.knn_oracle import brute_neighbours, dictionary_distribution, everything
from tests.support.jobs import make_job
from tests.support.knn_runs import build, knn_job
from tests.support.scored_text import WINDOWS, documents, make_model, publish_model, publish_tokens
from tests.support.tiny_models import tiny_tokenizer

REF = ArtifactRef(stage="choice_scores", fingerprint="7" * 32)
SEED = 3
CONTEXT = 40
CB = [
    {"id": "a", "premise": "The memory reads.", "hypothesis": "it reads", "label": 0},
    {"id": "b", "premise": "A token follows.", "hypothesis": "none does", "label": 1},
    {"id": "c", "premise": "Keys share words. " * 9, "hypothesis": "who knows", "label": 2},
    {"id": "d", "premise": "A window moves.", "hypothesis": "it stays", "label": 1},
    {"id": "e", "premise": "Keys lie near.", "hypothesis": "they lie", "label": 0},
    {"id": "f", "premise": "Neighbours share.", "hypothesis": "they share", "label": 0},
]
CHOICES = [" the", " a token"], [" that"], [" neither"]
"""Words of one token or several; of a list, only those of one token, or else the first, count."""
SCORED = [(" the", 0), (" that", 1), (" neither", 2)]


def config_of(folder: Path, **further: JsonValue) -> DownstreamConfig:
    """A configuration of cb and mr, with word lists for cb alone."""
    mr = [{"text": f"it is {word}", "label": n % 2} for n, word in enumerate(["good", "bad", "so"])]
    for name, rows in (("cb", CB), ("mr", mr * 4)):
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    words = {"cb": {"label_order": ["true", "false", "neither"], "synonyms": [*CHOICES]}}
    (folder / "words.json").write_text(json.dumps(words), encoding="utf-8")
    return DownstreamConfig.model_validate(
        {
            "tasks": {name: str(folder / f"{name}.jsonl") for name in ("cb", "mr")},
            "verbalizers": str(folder / "words.json"),
            "context_tokens": CONTEXT,
            **further,
        }
    )


def scoring_of(
    store: Store,
    config: DownstreamConfig,
    task: str = "cb",
    inputs: dict[str, ArtifactRef] | None = None,
    further: dict[str, JsonValue] | None = None,
    memory_gb: float = 2,
) -> ShardRun:
    section: dict[str, JsonValue] = {"downstream": config.model_dump(mode="json")}
    identity: dict[str, JsonValue] = {"downstream": downstream_identity(config)}
    inputs = inputs or {"model": publish_model(store, SEED, 448)}
    further = further or {}
    job = make_job(REF, section | further, inputs, identity | further)
    writer = store.writer(REF, task, "a" * 32)
    settings = RunSettings(device="cpu", memory_gb=memory_gb)
    return ShardRun(job, task, settings, store, writer, lambda _fraction, _note: None)


def committed(run: ShardRun, figures: dict[str, JsonValue]) -> ChoiceTable:
    run.writer.commit(figures, seconds=1, peak_memory_bytes=1)
    return read_choices(run.store.readers(REF)[run.shard])


def encode(text: str) -> list[int]:
    return tiny_tokenizer().backend_tokenizer.encode(text, add_special_tokens=False).ids


def cb_prompts() -> list[list[int]]:
    """The prompts as they are read, and last the domain premise."""
    longest = max(len(encode(text)) for text, _ in SCORED)
    texts = [
        f' question: Given that "{r["premise"]}" Is "{r["hypothesis"]}" true, false, or neither?\n'
        " answer:"
        for r in CB
    ]
    return [encode(text)[-(CONTEXT - longest) :] for text in [*texts, " the answer is:"]]


def plain_scores(prompt: list[int]) -> list[float]:
    """Every token of every string after a prompt, each string in a forward pass of its own."""
    model = make_model(SEED, 448)
    scores = []
    for text, _ in SCORED:
        tokens = [*prompt, *encode(text)]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([tokens])).logits[0, :, :400].double()
        log_probs = torch.log_softmax(logits, dim=-1)
        places = range(len(prompt), len(tokens))
        scores += [float(log_probs[place - 1, tokens[place]]) for place in places]
    return scores


@pytest.mark.parametrize("memory_gb", [2, 0.001])
def test_choices_are_scored_as_by_plain_transformers_in_whatever_batches(
    store: Store, tmp_path: Path, memory_gb: float
) -> None:
    run = scoring_of(store, config_of(tmp_path), memory_gb=memory_gb)
    figures = score_shard(run)
    table = committed(run, figures)
    *prompts, premise = cb_prompts()
    assert table.texts_S == tuple(text for text, _ in SCORED)
    assert table.label_S.tolist() == [label for _, label in SCORED]
    assert table.token_ids_E.tolist() == [token for text, _ in SCORED for token in encode(text)]
    expected = [plain_scores(prompt) for prompt in prompts]
    np.testing.assert_allclose(table.log_probs_GRE[0], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(table.domain_GE[0], plain_scores(premise), rtol=1e-5, atol=1e-5)
    assert table.record_ids == tuple("abcdef")
    assert table.label_R.tolist() == [row["label"] for row in CB]
    assert (figures["records"], figures["prompts_cut"]) == (6, sum(map(_is_cut, prompts)))
    assert figures["prompts_cut"], "some prompt is too long"


def _is_cut(prompt: list[int]) -> bool:
    return not tiny_tokenizer().decode(prompt).startswith(" question")


def test_the_figures_are_those_of_the_half_that_does_not_tune(store: Store, tmp_path: Path) -> None:
    run = scoring_of(store, config_of(tmp_path))
    figures = score_shard(run)
    committed(run, figures)
    (by_task,) = scored_tasks(store, REF)
    scores = by_task["cb"]
    assert figures["for_tuning"] == int(scores.tuning_R.sum()) > 0
    reported = scores.half(tuning=False)
    for method in ("dcpmi", "lm"):
        predicted = slow_predictions(reported, method)
        expected = slow_accuracy(reported.label_R.tolist(), predicted)
        assert figures[f"accuracy_{method}"] == pytest.approx(expected)


def test_a_task_without_word_lists_has_its_usual_words(store: Store, tmp_path: Path) -> None:
    run = scoring_of(store, config_of(tmp_path), "mr")
    table = committed(run, score_shard(run))
    assert table.texts_S == (" terrible", " great")
    assert table.record_ids[0] == "mr#1"


def test_every_task_is_a_shard_in_the_order_of_the_papers_table(
    store: Store, tmp_path: Path
) -> None:
    run = scoring_of(store, config_of(tmp_path))
    assert list_tasks(run.job, store) == ["mr", "cb"]


def test_a_sample_has_no_more_records_than_wanted(store: Store, tmp_path: Path) -> None:
    run = scoring_of(store, config_of(tmp_path, max_records=4))
    table = committed(run, score_shard(run))
    assert len(table.record_ids) == 4
    assert set(table.record_ids) < set("abcdef")


def test_identity_holds_contents_and_no_path(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    before = downstream_identity(config_of(first))
    assert downstream_identity(config_of(second)) == before
    assert str(tmp_path) not in json.dumps(before)
    (second / "words.json").write_text('{"a": 1}', encoding="utf-8")
    config = config_of(first)
    (first / "cb.jsonl").write_text("{}", encoding="utf-8")
    changed = downstream_identity(config)
    assert {key for key in before if before[key] != changed[key]} == {"tasks"}
    other = downstream_identity(config_of(first, seed=5, context_tokens=50, max_records=9))
    assert {key for key in before if before[key] != other[key]} == {
        *("seed", "context_tokens", "max_records")
    }


@pytest.mark.parametrize(("field", "place"), [("tasks", r"tasks\.cb"), ("words", "verbalizers")])
def test_a_file_that_is_not_there_is_the_users_mistake(
    tmp_path: Path, field: str, place: str
) -> None:
    config = config_of(tmp_path)
    (tmp_path / ("cb.jsonl" if field == "tasks" else "words.json")).unlink()
    with pytest.raises(UserError, match=rf"config\.comparison\.downstream\.{place}: .* is no file"):
        downstream_identity(config)


def test_mistakes_in_a_file_are_the_users(store: Store, tmp_path: Path) -> None:
    config = config_of(tmp_path)
    (tmp_path / "cb.jsonl").write_text('{"premise": "a"}', encoding="utf-8")
    with pytest.raises(UserError, match=r"cb\.jsonl: record 1: .*hypothesis"):
        score_shard(scoring_of(store, config))


def test_a_file_that_changes_after_the_plan_is_refused(store: Store, tmp_path: Path) -> None:
    run = scoring_of(store, config_of(tmp_path))
    text = (tmp_path / "cb.jsonl").read_text(encoding="utf-8")
    (tmp_path / "cb.jsonl").write_text(text.replace("reads", "sleeps"), encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.comparison\.downstream: files changed"):
        score_shard(run)


def test_a_task_whose_records_fall_into_one_half_is_refused(store: Store, tmp_path: Path) -> None:
    config = config_of(tmp_path)
    (tmp_path / "cb.jsonl").write_text(json.dumps(CB[0]), encoding="utf-8")
    with pytest.raises(UserError, match=r"tasks\.cb: its 1 records fall into one half"):
        score_shard(scoring_of(store, config))


def test_knn_lm_scores_choices_with_the_bases_own_datastore(store: Store, tmp_path: Path) -> None:
    taus: list[JsonValue] = [2.0, 30.0]
    embedding: dict[str, JsonValue] = {"embeddings": {}, "windows": WINDOWS}
    tokens, model = publish_tokens(store), publish_model(store, SEED, 448)
    keys = knn_job("embeddings", embedding, {"tokens": tokens, "base_model": model})
    for shard in list_shards(keys, store):
        build(store, keys, shard, embed_shard)
    index = knn_job("index", {"index": {}}, {"embeddings": keys.ref})
    build(store, index, "all", index_shard)
    further: dict[str, JsonValue] = {"knn_lm": {"k": 150, "taus": taus}, "embeddings": {}}
    inputs = {"model": model, "embeddings": keys.ref, "index": index.ref}
    run = scoring_of(store, config_of(tmp_path), "cb", inputs, further)
    table = committed(run, score_knn_shard(run))

    network = make_model(SEED, 448)
    train = slow_rows(network, [text.tolist() for text in documents("train")], 16, 8, "document")
    keys_RD = np.stack([row.key_D for row in train]).astype(np.float16)
    values = [row.next_token for row in train]
    first = [encode(text)[0] for text, _ in SCORED]
    places = table.offsets_S1[:-1]
    for number, prompt in enumerate(cb_prompts()):
        (row,) = slow_rows(network, [[*prompt, 0]], 99, 1, "document")[-1:]
        (pairs,) = brute_neighbours(row.key_D[None].astype(np.float16), keys_RD, 150, everything)
        for g, tau in enumerate((2.0, 30.0)):
            masses = dictionary_distribution(pairs, values, tau)
            scores = table.log_probs_GRE[g, number] if number < len(CB) else table.domain_GE[g]
            expected = np.log([masses.get(token, 1e-300) for token in first])
            shown = np.maximum(scores[places], np.log(1e-300))
            np.testing.assert_allclose(shown, expected, rtol=1e-3, atol=2e-3)
    assert len(scored_tasks(store, REF)) == len(taus)
    assert np.isfinite(table.log_probs_GRE[:, :, places]).any()


def test_base_and_memory_make_rows_of_a_comparison(store: Store, tmp_path: Path) -> None:
    """From files to rows: what the comparison does with two artifacts."""
    systems = []
    for number, seed in enumerate((1, 2)):
        ref = ArtifactRef(stage="choice_scores", fingerprint=f"{number}" * 32)
        config = config_of(tmp_path)
        for name in ("cb", "mr"):
            run = scoring_of(store, config, name, {"model": publish_model(store, seed)})
            writer = store.writer(ref, name, "b" * 32)
            run = ShardRun(run.job, name, run.settings, store, writer, run.report)
            writer.commit(score_shard(run), seconds=1, peak_memory_bytes=1)
        systems.append(scored_tasks(store, ref)[0])
    base, memory = systems
    settings = EvaluationConfig(alphas=(0.0, 0.5, 1.0), bootstrap_samples=20)
    rows: list[ResultRow] = mixed_downstream_rows("memory", "tiny", base, [memory], settings)
    assert {row.split for row in rows} == {"mr", "cb", "average"}
    assert all(0 <= row.value <= 1 for row in rows)
