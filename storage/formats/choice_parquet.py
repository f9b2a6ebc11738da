"""Choice scores: the log-probability of every token of every choice, after every prompt.

One shard per data set. `strings.parquet` has a row per token of the strings that were scored: which
string and label it belongs to, and its score after the domain premise. `records.parquet` has a row
per record: id, label, whether it is for tuning, and a list with the score of each of these tokens
after its prompt. Scores are float32, in a column per setting (`log_probs_0`, …): most systems have
one, kNN-LM one for every temperature.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.store.shard_files import ShardReader

RECORDS = "records.parquet"
STRINGS = "strings.parquet"
ROW_GROUP_VALUES = 2**22


class ChoiceTable(NamedTuple):
    """All scores of one data set (R records, S strings, E tokens of all strings, G settings).

    Attributes:
        record_ids: R ids.
        label_R: int64 labels.
        tuning_R: Whether a record is for tuning.
        texts_S: The strings.
        label_S: int64, the label each stands for.
        offsets_S1: int64, where each string's tokens start, and the end.
        token_ids_E: int64 tokens.
        log_probs_GRE: Natural logarithms, float64; -inf is a probability of 0.
        domain_GE: The same after the domain premise.
    """

    record_ids: tuple[str, ...]
    label_R: npt.NDArray[np.int64]
    tuning_R: npt.NDArray[np.bool_]
    texts_S: tuple[str, ...]
    label_S: npt.NDArray[np.int64]
    offsets_S1: npt.NDArray[np.int64]
    token_ids_E: npt.NDArray[np.int64]
    log_probs_GRE: npt.NDArray[np.float64]
    domain_GE: npt.NDArray[np.float64]


def write_choices(folder: Path, table: ChoiceTable) -> None:
    """Writes a data set's scores; float32 holds them as the models gave them.

    Args:
        folder: The shard's folder.
        table: The scores, none of them NaN.
    """
    assert not np.isnan(table.log_probs_GRE).any()
    assert not np.isnan(table.domain_GE).any()
    string_E = np.repeat(np.arange(len(table.texts_S)), np.diff(table.offsets_S1))
    strings = {
        "string": pa.array(string_E),
        "label": pa.array(table.label_S[string_E]),
        "text": pa.array([table.texts_S[string] for string in string_E]),
        "token_id": pa.array(table.token_ids_E),
    }
    records = {
        "record_id": pa.array(table.record_ids, pa.string()),
        "label": pa.array(table.label_R),
        "tuning": pa.array(table.tuning_R),
    }
    width = len(table.token_ids_E)
    for g, (scores_RE, domain_E) in enumerate(
        zip(table.log_probs_GRE, table.domain_GE, strict=True)
    ):
        flat = pa.array(scores_RE.astype(np.float32).ravel())
        records[f"log_probs_{g}"] = pa.FixedSizeListArray.from_arrays(flat, width)
        strings[f"domain_log_prob_{g}"] = pa.array(domain_E.astype(np.float32))
    _write(folder / STRINGS, strings, len(string_E))
    _write(folder / RECORDS, records, max(1, ROW_GROUP_VALUES // width))


def read_choices(reader: ShardReader) -> ChoiceTable:
    """A data set's scores as they were written, in float64."""
    strings = pq.read_table(reader.local_path(STRINGS))
    records = pq.read_table(reader.local_path(RECORDS))
    string_E = strings["string"].to_numpy()
    first_S = np.flatnonzero(np.diff(string_E, prepend=-1))
    width = len(string_E)
    settings = range(strings.num_columns - 4)
    log_probs = [_lists(records[f"log_probs_{g}"]).reshape(-1, width) for g in settings]
    domain = [strings[f"domain_log_prob_{g}"].to_numpy() for g in settings]
    texts = strings["text"].to_pylist()
    return ChoiceTable(
        record_ids=tuple(records["record_id"].to_pylist()),
        label_R=records["label"].to_numpy(),
        tuning_R=records["tuning"].to_numpy(),
        texts_S=tuple(texts[first] for first in first_S),
        label_S=strings["label"].to_numpy()[first_S],
        offsets_S1=np.append(first_S, width),
        token_ids_E=strings["token_id"].to_numpy(),
        log_probs_GRE=np.stack(log_probs).astype(np.float64),
        domain_GE=np.stack(domain).astype(np.float64),
    )


def _lists(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = np.concatenate(
        [chunk.flatten().to_numpy() for chunk in column.chunks]
    )
    return values


def _write(path: Path, columns: dict[str, pa.Array], group_rows: int) -> None:
    pq.write_table(
        pa.table(columns), path, row_group_size=group_rows, compression="zstd", use_dictionary=False
    )
