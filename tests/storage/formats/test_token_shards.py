"""The token stream across shards, and the same bytes for the same documents."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.formats.token_shards import TokenReader, write_token_shard
from storage.objects.store_errors import DamagedArtifact, MissingArtifact
from storage.store.artifact_store import Store
from storage.store.shard_files import ShardReader
from tests.support.artifacts import as_shard, publish


def fill(lengths: list[int], first: int = 0) -> Callable[[Path], None]:
    """Fills a shard with documents of these lengths and tokens first, first + 1, ..."""
    tokens = np.arange(first, first + sum(lengths), dtype=np.uint16)
    ids = [f"doc-{first}-{i}" for i in range(len(lengths))]
    return lambda folder: write_token_shard(
        as_shard(folder), ids, tokens, np.array(lengths, np.int64)
    )


def readers(store: Store, shards: dict[str, list[int]]) -> dict[str, ShardReader]:
    """Publishes shards whose tokens count on from one shard of a split to the next."""
    firsts: dict[str, int] = {}
    fills = {}
    for name, lengths in shards.items():
        split = name.split("-")[0]
        fills[name] = (fill(lengths, firsts.get(split, 0)), {})
        firsts[split] = firsts.get(split, 0) + sum(lengths)
    return store.readers(publish(store, "tokens", fills, config={"shards": repr(shards)}))


@given(st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=1, max_size=5), st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_range_reads_as_from_one_array(
    store: Store, shards: list[list[int]], data: st.DataObject
) -> None:
    named = {f"train-{i:05d}": lengths for i, lengths in enumerate(shards)}
    reader = TokenReader(readers(store, named | {"valid-00000": [3]}), "train")
    lengths = [length for shard in shards for length in shard]
    assert reader.n_tokens == sum(lengths)
    assert reader.offsets_D1.dtype == np.int64
    assert reader.offsets_D1.tolist() == [0, *np.cumsum(lengths).tolist()]
    start = data.draw(st.integers(0, reader.n_tokens))
    stop = data.draw(st.integers(start, reader.n_tokens))
    tokens = reader.read(start, stop)
    assert tokens.tolist() == list(range(start, stop))
    assert tokens.dtype == np.uint16


def test_what_is_read_is_a_plain_array_of_one_s_own(store: Store) -> None:
    reader = TokenReader(readers(store, {"train-00000": [5]}), "train")
    tokens = reader.read(1, 4)
    assert type(tokens) is np.ndarray
    tokens[:] = 99
    assert reader.read(1, 4).tolist() == [1, 2, 3]


def test_a_split_is_not_mixed_up_with_another(store: Store) -> None:
    found = readers(store, {"train-00000": [2, 3], "valid-00000": [1], "test-00000": [4]})
    assert TokenReader(found, "valid").n_tokens == 1
    assert TokenReader(found, "test").n_tokens == 4
    with pytest.raises(MissingArtifact, match="no dev split"):
        TokenReader(found, "dev")


def test_documents_are_listed_with_their_lengths(tmp_path: Path) -> None:
    fill([2, 0, 3])(tmp_path)
    table = pq.read_table(tmp_path / "documents.parquet").to_pydict()
    assert table == {"doc_id": ["doc-0-0", "doc-0-1", "doc-0-2"], "tokens": [2, 0, 3]}


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fill([7, 0, 9])(tmp_path / name)
    for file in ("tokens.npy", "lengths.npy", "documents.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_files_that_do_not_fit_together_are_damage(store: Store) -> None:
    found = readers(store, {"train-00000": [5], "train-00001": [4, 1]})
    lengths = found["train-00001"].local_path("lengths.npy")
    good = lengths.read_bytes()
    np.save(lengths, np.array([4, 2], np.int64))
    with pytest.raises(DamagedArtifact, match="5 tokens for documents of 6"):
        TokenReader(found, "train")
    lengths.write_bytes(b"x" * len(good))
    with pytest.raises(DamagedArtifact, match="not an array"):
        TokenReader(found, "train")
