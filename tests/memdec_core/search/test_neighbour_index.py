import faiss
import numpy as np
import pytest
from pydantic import ValidationError

from memdec_core.errors import UserError
from memdec_core.search.index_config import IndexConfig
from memdec_core.search.index_filling import train_index
from memdec_core.search.neighbour_index import (
    choose_factory,
    inverted_lists,
    new_index,
    raise_nprobe,
    sample_rows,
)


@pytest.mark.parametrize(
    ("rows", "factory"),
    [
        (10, "Flat"),
        (200_000, "Flat"),
        (200_001, "IVF1789,SQfp16"),
        (2_000_000, "IVF5657,SQfp16"),
        (30_000_000, "IVF21909,SQfp16"),
    ],
)
def test_the_kind_follows_the_size(rows: int, factory: str) -> None:
    assert choose_factory(rows, IndexConfig()) == factory


def test_a_given_kind_is_used_whatever_the_size() -> None:
    assert choose_factory(5, IndexConfig(kind="IVF4,PQ8")) == "IVF4,PQ8"


@pytest.mark.parametrize("factory", ["Quantum", "PQ3"])
def test_an_impossible_kind_is_refused_with_its_config_path(factory: str) -> None:
    with pytest.raises(UserError, match=r"config\.index\.kind.*width 8.*use `auto`"):
        new_index(factory, 8)


def test_more_lists_than_training_keys_is_the_users_mistake() -> None:
    index = new_index("IVF64,Flat", 4)
    with pytest.raises(
        UserError, match=r"config\.index\.kind: 'IVF64,Flat' cannot be trained on 9"
    ):
        train_index(index, np.zeros((9, 4), np.float32), "IVF64,Flat")


def test_samples_are_distinct_sorted_and_repeatable() -> None:
    rows = sample_rows(1000, 100, seed=4)
    assert len(np.unique(rows)) == 100
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, sample_rows(1000, 100, seed=4))
    assert rows.tolist() != sample_rows(1000, 100, seed=5).tolist()
    assert sample_rows(5, 100, seed=0).tolist() == [0, 1, 2, 3, 4]


def _index() -> faiss.Index:
    keys = np.random.default_rng(0).standard_normal((400, 4)).astype(np.float32)
    index = new_index("IVF32,Flat", 4)
    index.train(keys)
    index.add(keys)
    return index


def _nprobe(index: faiss.Index) -> int:
    lists = inverted_lists(index)
    assert lists is not None
    return int(lists.nprobe)


def test_nprobe_doubles_until_the_recall_suffices() -> None:
    index = _index()
    seen = []

    def measure() -> float:
        seen.append(_nprobe(index))
        return seen[-1] / 32

    assert raise_nprobe(index, IndexConfig(min_recall=0.5), measure) == 0.5
    assert seen == [1, 2, 4, 8, 16]
    assert _nprobe(index) == 16


def test_a_given_nprobe_is_kept_and_refused_when_too_low() -> None:
    index = _index()
    with pytest.raises(UserError, match=r"raise config\.index\.nprobe above 3"):
        raise_nprobe(index, IndexConfig(nprobe=3), lambda: 0.9)
    assert raise_nprobe(index, IndexConfig(nprobe=3), lambda: 0.999) == 0.999
    assert _nprobe(index) == 3


def test_an_index_that_never_reaches_the_recall_is_refused_with_a_remedy() -> None:
    with pytest.raises(UserError, match=r"recall@1024 is 0\.9000.*finer codes"):
        raise_nprobe(_index(), IndexConfig(), lambda: 0.9)


def test_the_config_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        IndexConfig(lists=4)  # type: ignore[call-arg]


@pytest.mark.parametrize("factory", ["IDMap,Flat", "IDMap2,Flat", "IDMap,IVF4,Flat"])
def test_rows_with_ids_of_their_own_are_refused(factory: str) -> None:
    with pytest.raises(UserError, match=r"config\.index\.kind: .*leave the IDMap out"):
        new_index(factory, 8)
