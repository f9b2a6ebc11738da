from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from storage.formats import choice_parquet
from storage.formats.choice_parquet import ChoiceTable, read_choices, write_choices
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tests.support.artifacts import as_shard

REF = ArtifactRef(stage="choice_scores", fingerprint="6" * 32)


def some_choices(settings: int) -> ChoiceTable:
    rng = np.random.default_rng(settings)
    scores = rng.normal(-5, 2, (settings, 8, 6)).astype(np.float32).astype(np.float64)
    scores[0, 1, 2] = -np.inf
    return ChoiceTable(
        record_ids=tuple("abcdefgé"[:8]),
        label_R=np.arange(8) % 3,
        tuning_R=np.arange(8) % 2 == 0,
        texts_S=(" true", " true", " or\n", " neither of them"),
        label_S=np.array([0, 1, 1, 2]),
        offsets_S1=np.array([0, 1, 2, 3, 6]),
        token_ids_E=np.array([9, 9, 8, 1, 2, 70_000]),
        log_probs_GRE=scores,
        domain_GE=rng.normal(-5, 2, (settings, 6)).astype(np.float32).astype(np.float64),
    )


@pytest.mark.parametrize("settings", [1, 3])
@pytest.mark.parametrize("values", [2**22, 12])
def test_what_is_written_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, settings: int, values: int
) -> None:
    monkeypatch.setattr(choice_parquet, "ROW_GROUP_VALUES", values)
    table = some_choices(settings)
    writer = store.writer(REF, "cb", "a" * 32)
    write_choices(writer, table)
    writer.commit({}, seconds=1, peak_memory_bytes=1)
    read = read_choices(store.readers(REF)["cb"])
    for written, found in zip(table, read, strict=True):
        np.testing.assert_array_equal(found, written)
        assert np.asarray(found).dtype == np.asarray(written).dtype


def test_the_tables_can_be_read_without_this_code(tmp_path: Path) -> None:
    write_choices(as_shard(tmp_path), some_choices(1))
    records = pq.read_table(tmp_path / "records.parquet").to_pylist()
    assert records[3]["record_id"] == "d"
    assert (records[3]["label"], records[3]["tuning"], len(records[3]["log_probs_0"])) == (0, 0, 6)
    strings = pq.read_table(tmp_path / "strings.parquet").to_pylist()
    assert [row["text"] for row in strings[2:4]] == [" or\n", " neither of them"]
    assert [row["string"] for row in strings] == [0, 1, 2, 3, 3, 3]
