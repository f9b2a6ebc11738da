"""A store in a bucket, which machines share that have nothing else in common."""

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from tests.services.command_line import memdec_json
from tests.services.s3_server import Bucket

pytestmark = pytest.mark.slow


def test_what_one_machine_built_in_a_bucket_another_one_reuses(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str], bucket: Bucket
) -> None:
    store = ("--store", f"{bucket.url}/{uuid4().hex}")
    one, other = (
        {**prefect_environment, **bucket.environment, "XDG_CACHE_HOME": str(tmp_path / name)}
        for name in ("one", "other")
    )
    built = memdec_json("run", tiny_pipeline, *store, env=one)
    assert {stage["reused"] for stage in built["stages"]} == {False}
    assert built["promotion"]["outcome"] == "promoted"

    until_targets = ("--until", "targets", "--set", "targets.k=8")
    changed = memdec_json("run", tiny_pipeline, *store, *until_targets, env=other)
    assert [stage["stage"] for stage in changed["stages"] if not stage["reused"]] == ["targets"]
    assert memdec_json("artifacts", "verify", *store, env=one)["damaged"] == []
    left = memdec_json("artifacts", "gc", "--keep", "1", *store, env=one)
    assert any(name.startswith("targets/") for name in left["deleted"])
