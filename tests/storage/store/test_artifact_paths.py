"""Globs for notebooks: what they match is the artifact's data, all of it and nothing else."""

import glob
from pathlib import Path

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_paths import data_paths
from storage.store.artifact_store import Store
from tests.support.artifacts import publish


def write(folder: Path) -> None:
    (folder / "rows.parquet").write_text("x")
    (folder / "keys.zarr" / "c").mkdir(parents=True)
    (folder / "keys.zarr" / "c" / "0").write_text("x")


def targets(store: Store) -> ArtifactRef:
    shards = ["train-00000", "train-00001", "train-00012", "valid-00000"]
    return publish(store, "targets", dict.fromkeys(shards, (write, {})))


def matched(paths: list[str]) -> list[str]:
    return [
        "/".join(Path(each).parts[-2:])
        for path in paths
        for each in sorted(glob.glob(path))  # noqa: PTH207 - as a notebook does
    ]


def test_there_is_one_glob_for_each_split_and_name(store: Store) -> None:
    paths = data_paths(store, targets(store))
    assert [path.rsplit("/", 2)[1:] for path in paths] == [
        ["train-*", "keys.zarr"],
        ["train-*", "rows.parquet"],
        ["valid-00000", "keys.zarr"],
        ["valid-00000", "rows.parquet"],
    ]
    assert matched(paths) == [
        *(f"train-{number}/keys.zarr" for number in ("00000", "00001", "00012")),
        *(f"train-{number}/rows.parquet" for number in ("00000", "00001", "00012")),
        "valid-00000/keys.zarr",
        "valid-00000/rows.parquet",
    ]


def test_what_another_attempt_left_is_not_matched(store: Store) -> None:
    ref = targets(store)
    attempt = store.require(ref).shards[0].attempt
    left = f"artifacts/targets/{ref.fingerprint}/{attempt}/train-00002/rows.parquet"
    store.root.replace(left, b"left")
    paths = data_paths(store, ref)
    assert len(matched(paths)) == 8
    assert not any("train-00002" in found for found in matched(paths))
    assert sum(path.endswith("rows.parquet") for path in paths) == 4, "one by one"


def test_in_a_bucket_they_are_urls(objects: Store) -> None:
    ref = targets(objects)
    first, *_ = data_paths(objects, ref)
    assert first.startswith(f"{objects.url}/artifacts/targets/{ref.fingerprint}/")
    assert first.endswith("/train-*/keys.zarr")
