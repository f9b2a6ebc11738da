"""No name that a person or a record can give reaches a file outside its store."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.config.pipeline_config import PipelineConfig
from memdec_core.comparison_config import ComparisonConfig
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import FileEntry, ShardEntry
from storage.objects.root_urls import open_root
from storage.objects.store_errors import StorageError, UnsafeName, UnsupportedStore
from storage.store.artifact_inspection import find_artifact
from storage.store.artifact_store import Store
from storage.store.run_history import read_history, record_run
from tasks.jobs.run_settings import RunSettings

REF = ArtifactRef(stage="memory", fingerprint="0" * 32)
ATTEMPT = "1" * 32
MINIMAL = {"corpus": {"documents": ["x.jsonl"]}, "base_model": {"name": "m"}}
REFUSED = (StorageError, ValidationError, ValueError, OSError)

names = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from(
            ["..", ".", "/", "\\", "\0", "\n", "~", "%2e", "：", "a", "‥", "．．", "C:"]
        ),
        min_size=1,
        max_size=8,
    ).map("".join),
)


def nothing(_folder: Path) -> None:
    """Fills a folder with no file."""


@contextlib.contextmanager
def outside_untouched() -> Iterator[Store]:
    """A store deep in a folder with a file at every level, which are all there afterwards."""
    with tempfile.TemporaryDirectory() as top:
        below = Path(top) / "a" / "b" / "c"
        below.mkdir(parents=True)
        for folder in (Path(top), *below.relative_to(top).parents[:-1]):
            (Path(top) / folder / "victim.json").write_text("{}")
        (Path(top) / "victim.json").write_text("{}")
        before = outside(Path(top), below)
        yield Store.open(str(below / "store"))
        assert outside(Path(top), below) == before


def outside(top: Path, below: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file() and not path.is_relative_to(below / "store")
    }


@settings(max_examples=30)
@given(names)
@example("../victim")
@example("/etc/passwd")
@example("a\0b")
def test_a_pipelines_history_stays_in_the_store(name: str) -> None:
    with outside_untouched() as store:
        with contextlib.suppress(*REFUSED):
            record_run(store, name, None, [REF])
            assert [run.artifacts for run in read_history(store, name)] == [[REF]]
        with contextlib.suppress(*REFUSED):
            read_history(store, name)


@settings(max_examples=30)
@given(names)
@example("../../victim")
def test_a_shard_stays_in_its_artifact(name: str) -> None:
    with outside_untouched() as store:
        with contextlib.suppress(*REFUSED):
            writer = store.writer(REF, name, ATTEMPT)
            assert store.root.folder is not None
            assert writer.folder.resolve().is_relative_to(store.root.folder / "artifacts/memory")
            (writer.folder / "data").write_text("x")
            writer.commit({}, 1.0, 1)
        with contextlib.suppress(*REFUSED):
            store.scratch(REF).save(name, nothing)


@settings(max_examples=30)
@given(names)
@example("../victim.json")
@example("memory/../../victim")
def test_an_id_on_the_command_line_only_ever_names_what_is_listed(text: str) -> None:
    with outside_untouched() as store, contextlib.suppress(*REFUSED):
        find_artifact(store, text)
        pytest.fail("an empty store has no artifact")


@given(names)
def test_a_reference_is_made_of_letters_and_digits(text: str) -> None:
    for stage, fingerprint in ((text, "0" * 32), ("memory", text)):
        with contextlib.suppress(ValidationError):
            ref = ArtifactRef(stage=stage, fingerprint=fingerprint)
            assert f"{ref.stage}{ref.fingerprint}".replace("_", "").isascii()
            assert not {"/", ".", "\\", "\0", "\n"} & {*ref.stage, *ref.fingerprint}


@given(names)
@example("law\n")
@example("../law")
def test_names_in_a_configuration_are_plain(name: str) -> None:
    with contextlib.suppress(ValidationError):
        config = PipelineConfig.model_validate({"name": name, **MINIMAL})
        assert config.name.replace("-", "").isalnum()
    for kind in ("elsewhere", "students", "datastores"):
        value = MINIMAL["corpus"] if kind == "elsewhere" else MINIMAL["base_model"]
        with contextlib.suppress(ValidationError):
            ComparisonConfig.model_validate({kind: {name: value}})
            assert name.replace("-", "").isascii()
            assert name.replace("-", "").isalnum()


@given(names)
@example("../x")
def test_a_record_in_a_store_cannot_name_files_outside_its_folder(path: str) -> None:
    digest = {"size": 1, "sha256": "0" * 64}
    with contextlib.suppress(ValidationError, UnsafeName):
        entry = FileEntry(path=path, **digest)
        assert (Path("/store/shard") / entry.path).resolve().is_relative_to("/store/shard")
    with contextlib.suppress(ValidationError, UnsafeName):
        shard = ShardEntry(
            name=path, attempt=ATTEMPT, files=[], meta={}, seconds=1, peak_memory_bytes=1
        )
        assert "/" not in shard.name
        assert shard.name.strip(".")


def test_a_checkpoints_record_cannot_name_a_folder_outside_its_own() -> None:
    with outside_untouched() as store:
        scratch = store.scratch(REF)
        scratch.save("step-1", nothing)
        assert store.root.folder is not None
        (record,) = store.root.folder.rglob("step-1.json")
        climbing = "/".join([".."] * 6)
        record.write_text(f'{{"folder": "{climbing}", "files": []}}')
        assert scratch.latest() is None
        with pytest.raises(StorageError, match="not a record"):
            scratch.save("step-1", nothing)  # would delete what it names


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAKEY:topsecret@bucket/store",
        "s3:/AKIAKEY:topsecret@bucket",
        "s3://bucket/store?secret_access_key=topsecret",
        "https://user:topsecret@host/store",
    ],
)
def test_a_stores_address_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    for use in (lambda: RunSettings(store=url), lambda: open_root(url, create=False)):
        with pytest.raises(UnsupportedStore, match="AWS_SECRET_ACCESS_KEY") as refused:
            use()
        assert "topsecret" not in str(refused.value)
        assert "AKIAKEY" not in str(refused.value)


@pytest.mark.parametrize("url", ["store", "/data/a@b", "s3://bucket/x", "file:///a@b"])
def test_other_addresses_of_stores_are_taken(url: str) -> None:
    assert RunSettings(store=url).store == url
