import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.downstream.downstream import (
    METHODS,
    DatasetScores,
    Method,
    accuracy,
    confusions,
    label_scores,
    macro_f1,
    mix_dataset,
    predict,
    resampled_confusions,
)
from memdec_core.scoring import bootstrap as bootstrap_module
from memdec_core.scoring.bootstrap import Bootstrap
from tests.oracles.downstream_oracle import (
    random_task,
    slow_accuracy,
    slow_label_scores,
    slow_macro_f1,
    slow_mixture,
    slow_predictions,
)

STRINGS = ((0, 1), (0, 3), (1, 1), (2, 2), (2, 1), (2, 1))


def one_record(p: list[float], domain: list[float]) -> DatasetScores:
    """A record whose strings are a (label 0), and b and c (label 1), of one token each."""
    return DatasetScores(
        label_R=np.array([0]),
        tuning_R=np.array([False]),
        label_S=np.array([0, 1, 1]),
        offsets_S1=np.array([0, 1, 2, 3]),
        log_probs_RE=np.log([p]),
        domain_E=np.log(domain),
    )


def test_scores_are_those_worked_out_by_hand() -> None:
    scores = one_record([0.2, 0.3, 0.02], [0.1, 0.3, 0.01])
    # dcpmi: log(0.2 / 0.1) against the mean of log(0.3 / 0.3) = 0 and log(0.02 / 0.01)
    expected = [[math.log(2), math.log(2) / 2]]
    np.testing.assert_allclose(label_scores(scores, "dcpmi"), expected, rtol=1e-12)
    # lm: 0.2 against (0.3 + 0.02) / 2 = 0.16
    np.testing.assert_allclose(label_scores(scores, "lm"), np.log([[0.2, 0.16]]), rtol=1e-12)
    assert predict(scores, "dcpmi").tolist() == predict(scores, "lm").tolist() == [0]


@pytest.mark.parametrize("method", METHODS)
def test_scores_and_predictions_are_those_of_plain_loops(method: Method) -> None:
    scores = random_task(3, strings=STRINGS)
    expected = slow_label_scores(scores, method)
    np.testing.assert_allclose(label_scores(scores, method), expected, rtol=1e-9)
    assert predict(scores, method).tolist() == slow_predictions(scores, method)


@given(copies=st.integers(1, 6), label=st.integers(0, 2), seed=st.integers(0, 50))
def test_a_label_does_not_gain_by_saying_the_same_more_often(
    copies: int, label: int, seed: int
) -> None:
    scores = random_task(seed, 10, strings=((0, 1), (1, 1), (2, 1)))
    more = [*range(3), *[label] * copies]
    again = scores._replace(
        label_S=np.array(more),
        offsets_S1=np.arange(len(more) + 1),
        log_probs_RE=scores.log_probs_RE[:, more],
        domain_E=scores.domain_E[more],
    )
    for method in METHODS:
        np.testing.assert_allclose(label_scores(again, method), label_scores(scores, method))


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_mixture_mixes_probabilities_of_tokens_also_after_the_domain_premise(
    weight: float,
) -> None:
    base, part = random_task(1, strings=STRINGS), random_task(2, strings=STRINGS)
    mixed, expected = mix_dataset(base, part, weight), slow_mixture(base, part, weight)
    np.testing.assert_allclose(mixed.log_probs_RE, expected.log_probs_RE, rtol=1e-9)
    np.testing.assert_allclose(mixed.domain_E, expected.domain_E, rtol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_measures_are_those_of_counting_records(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = (list(values) for values in zip(*pairs, strict=True))
    counts = confusions(np.array(labels), np.array(predicted), 4)
    assert float(accuracy(counts)) == pytest.approx(slow_accuracy(labels, predicted))
    assert float(macro_f1(counts)) == pytest.approx(slow_macro_f1(labels, predicted))


@pytest.mark.parametrize("at_once", [2**22, 50])
def test_resamples_are_those_of_drawing_records_one_resample_at_a_time(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(bootstrap_module, "DRAWS_AT_ONCE", at_once)
    rng = np.random.default_rng(5)
    labels, predicted = rng.integers(0, 3, 20), rng.integers(0, 3, 20)
    settings = Bootstrap(np.arange(20), samples=30, confidence=0.9, seed=8)
    counts = resampled_confusions(labels, predicted, 3, settings)
    draws = np.random.default_rng(8)
    for resample in range(30):
        drawn = draws.integers(20, size=20)
        sample = labels[drawn].tolist(), predicted[drawn].tolist()
        assert float(accuracy(counts)[resample]) == pytest.approx(slow_accuracy(*sample))
        assert float(macro_f1(counts)[resample]) == pytest.approx(slow_macro_f1(*sample))
