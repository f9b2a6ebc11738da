"""Choice scores: the log-probability of every token of every choice, after every prompt.

One shard per data set. `strings.parquet` has a row per token of the strings that were scored,
`records.parquet` a row per record, with a list of the scores of these tokens after its prompt.
There is a column of scores per setting: most systems have one, kNN-LM one for every temperature.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.formats.data_file import Column, DataFile, ShardFolder
from storage.store.shard_files import ShardReader

STRINGS = DataFile(
    "strings.parquet",
    ("choice_scores",),
    "The strings that were scored, a row per token",
    (
        Column("string", pa.int64(), "Number of the string, from 0"),
        Column("label", pa.int64(), "The label it stands for"),
        Column("text", pa.string(), "The string"),
        Column("token_id", pa.int64(), "One of its tokens"),
        Column("domain_log_prob_*", pa.float32(), "Its score after the domain premise", "nats"),
    ),
)
RECORDS = DataFile(
    "records.parquet",
    ("choice_scores",),
    "The records of a data set, and the scores of all strings after each",
    (
        Column("record_id", pa.string(), "Its id"),
        Column("label", pa.int64(), "Its right label"),
        Column("tuning", pa.bool_(), "Whether it is for tuning, not for the result"),
        Column(
            "log_probs_*",
            pa.list_(pa.float32()),
            "Log-probability of every row of strings.parquet after the record's prompt",
            "nats",
        ),
    ),
)
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


def write_choices(shard: ShardFolder, table: ChoiceTable) -> None:
    """Writes a data set's scores; float32 holds them as the models gave them.

    Args:
        shard: Where.
        table: The scores, none of them NaN.
    """
    assert not np.isnan(table.log_probs_GRE).any()
    assert not np.isnan(table.domain_GE).any()
    string_E = np.repeat(np.arange(len(table.texts_S)), np.diff(table.offsets_S1))
    strings = [
        string_E,
        table.label_S[string_E],
        [table.texts_S[string] for string in string_E],
        table.token_ids_E,
        *table.domain_GE.astype(np.float32),
    ]
    width = len(string_E)
    starts_R1 = np.arange(len(table.record_ids) + 1, dtype=np.int32) * width
    records = [
        table.record_ids,
        table.label_R,
        table.tuning_R,
        *(
            pa.ListArray.from_arrays(starts_R1, scores_RE.astype(np.float32).ravel())
            for scores_RE in table.log_probs_GRE
        ),
    ]
    settings = len(table.domain_GE)
    _write(shard, STRINGS, strings, settings, group_rows=width)
    _write(shard, RECORDS, records, settings, group_rows=max(1, ROW_GROUP_VALUES // width))


def read_choices(reader: ShardReader) -> ChoiceTable:
    """A data set's scores as they were written, in float64."""
    strings = pq.read_table(reader.local_path(STRINGS.name))
    records = pq.read_table(reader.local_path(RECORDS.name))
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


def _write(
    shard: ShardFolder, file: DataFile, columns: Sequence[Any], settings: int, *, group_rows: int
) -> None:
    pq.write_table(
        pa.table(columns, schema=file.schema(shard.ref, settings)),
        shard.folder / file.name,
        row_group_size=group_rows,
        compression="zstd",
        use_dictionary=False,
    )
