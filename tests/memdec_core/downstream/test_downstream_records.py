import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.downstream.downstream_prompts import sample_records, tuning_half

IDS = [f"mr/train/{number:05d}" for number in range(2000)]


def test_about_half_of_the_records_are_for_tuning() -> None:
    assert 0.45 < tuning_half(IDS).mean() < 0.55


@given(st.permutations(range(30)), st.integers(1, 30))
def test_a_record_stays_in_its_half_whatever_is_beside_it(order: list[int], kept: int) -> None:
    halves = tuning_half(IDS)
    np.testing.assert_array_equal(tuning_half([IDS[i] for i in order[:kept]]), halves[order[:kept]])


@given(st.permutations(range(30)), st.integers(1, 40), st.integers(0, 5))
def test_the_same_records_are_drawn_in_whatever_order_they_come(
    order: list[int], most: int, seed: int
) -> None:
    drawn = sample_records(IDS[:30], most, seed)
    assert len(drawn) == min(most, 30)
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    shuffled = [IDS[i] for i in order]
    again = sample_records(shuffled, most, seed)
    assert {shuffled[i] for i in again} == {IDS[i] for i in drawn}


def test_without_a_limit_all_records_are_taken() -> None:
    assert sample_records(IDS, None, 0).tolist() == list(range(2000))


def test_another_seed_draws_others_and_a_draw_says_nothing_of_the_halves() -> None:
    first, second = (set(sample_records(IDS, 500, seed).tolist()) for seed in (0, 1))
    assert 60 < len(first & second) < 200, "125 by chance"
    assert 0.4 < tuning_half([IDS[i] for i in first]).mean() < 0.6
