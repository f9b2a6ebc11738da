"""Unigram drift against sums written out token by token."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.text.token_drift import changed_tokens, count_tokens, unigram_kl

VOCAB_SIZE = 6
tokens = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=40)


def counted(ids: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return count_tokens(np.array(ids, dtype=np.uint16), VOCAB_SIZE)


def kl_by_hand(new: list[int], known: list[int]) -> float:
    total = 0.0
    for token in set(new):
        p = new.count(token) / len(new)
        q = (known.count(token) + 1) / (len(known) + VOCAB_SIZE)
        total += p * math.log(p / q)
    return total


def js_by_hand(new: list[int], known: list[int], token: int) -> float:
    p, q = new.count(token) / len(new), known.count(token) / len(known)
    middle = (p + q) / 2
    return sum(0.5 * share * math.log(share / middle) for share in (p, q) if share)


def test_counts_are_those_of_a_list() -> None:
    ids = [3, 0, 3, 5]
    assert counted(ids).tolist() == [ids.count(token) for token in range(VOCAB_SIZE)]


@given(tokens, tokens)
def test_kl_is_the_sum_over_tokens(new: list[int], known: list[int]) -> None:
    assert unigram_kl(counted(new), counted(known)) == pytest.approx(
        kl_by_hand(new, known), abs=1e-12
    )


def test_kl_of_equal_frequencies_vanishes_as_the_text_grows() -> None:
    counts_V = np.array([5, 3, 2, 0, 0, 0])
    values = [unigram_kl(counts_V * n, counts_V * n) for n in (1, 100, 10_000)]
    assert values[0] > values[1] > values[2] > 0
    assert values[2] < 1e-4


def test_kl_of_a_token_never_seen_is_finite_and_large() -> None:
    known_V = np.array([1000, 0, 0, 0, 0, 0])
    assert unigram_kl(np.array([0, 9, 0, 0, 0, 0]), known_V) == pytest.approx(math.log(1006))


@given(tokens, tokens, st.integers(1, 8))
def test_changed_tokens_are_ranked_by_their_part_of_the_divergence(
    new: list[int], known: list[int], most: int
) -> None:
    parts = {token: js_by_hand(new, known, token) for token in range(VOCAB_SIZE)}
    found = changed_tokens(counted(new), counted(known), most)
    assert len(found) <= most
    for change in found:
        assert change.contribution == pytest.approx(parts[change.token], abs=1e-12)
        assert change.new == new.count(change.token) / len(new)
        assert change.known == known.count(change.token) / len(known)
        assert change.new != change.known
    left_out = parts.keys() - {change.token for change in found}
    if len(found) == most:
        least = min(change.contribution for change in found)
        assert all(parts[token] <= least + 1e-12 for token in left_out)
    else:
        assert all(parts[token] == pytest.approx(0, abs=1e-12) for token in left_out)
