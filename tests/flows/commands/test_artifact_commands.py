"""`memdec artifacts`: what people see of a store."""

import json
from pathlib import Path

import pytest

from flows.commands import artifact_commands
from storage.documents.document_records import Document
from storage.formats.corpus_parquet import CorpusWriter
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.run_history import record_run
from tests.support.artifacts import Fill, as_shard, publish

TEXTS = {"train": {"a": "one", "b": "two", "c": "three"}, "valid": {"d": "four"}}


def corpus(store: Store, texts: dict[str, dict[str, str]]) -> ArtifactRef:
    def fill(folder: Path) -> None:
        with CorpusWriter(as_shard(folder), 1000) as writer:
            for split, documents in texts.items():
                for number, (name, text) in enumerate(documents.items()):
                    writer.add(split, Document("a.jsonl", number, name, text, name))

    return publish(store, "corpus", {"all": (fill, {})}, {"texts": repr(texts)})


def tokens(size: int) -> Fill:
    return lambda folder: (folder / "tokens.npy").write_bytes(bytes(size)) and None


def test_two_corpora_differ_in_documents(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    before = corpus(store, TEXTS)
    changed = {"train": {"a": "one", "b": "2", "e": "five", "f": "three"}, "valid": {}}
    after = corpus(store, changed)
    artifact_commands.compare(str(before), str(after), store=store.url, as_json=True)
    rows = json.loads(capsys.readouterr().out)["documents"]
    assert {row["documents"]: (row["number"], row["such_as"]) for row in rows} == {
        "added": (1, "e"),
        "edited": (1, "b"),
        "removed": (1, "d"),
        "renamed": (1, "c → f"),
        "unchanged": (1, ""),
    }
    artifact_commands.compare(str(before), str(after), store=store.url)
    assert "such as" in capsys.readouterr().out


def test_the_list_says_which_corpus_is_which_and_how_large_all_is(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    domain, general = corpus(store, TEXTS), corpus(store, {"train": {"x": "y"}})
    made = [
        publish(store, stage, {"all": (tokens(3_000_000), {})}, {}, {"corpus": ref})
        for stage, ref in (("tokens", domain), ("base_model", general))
    ]
    record_run(store, "law", None, [domain, general, *made])
    artifact_commands.list_artifacts(store=store.url)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    (of_domain,) = (line for line in lines if str(domain) in line)
    (of_general,) = (line for line in lines if str(general) in line)
    assert ("law" in of_domain, "its base" in of_domain) == (True, False)
    assert ("law" in of_general, "its base" in of_general) == (True, True)
    assert lines[-1].startswith("4 artifacts, 6")
    artifact_commands.list_artifacts(store=store.url, as_json=True)
    rows = json.loads(capsys.readouterr().out)["artifacts"]
    assert {(row["stage"], *row["read_by"], *row["used_by"]) for row in rows} == {
        ("corpus", "tokens", "law"), ("corpus", "base_model", "law"), ("tokens", "law"),
        ("base_model", "law"),
    }  # fmt: skip


def test_a_page_in_a_terminal_has_no_graph(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = publish(store, "tokens", {"all": (tokens(9), {})}, {}, {"corpus": corpus(store, TEXTS)})
    artifact_commands.show(str(ref), store=store.url)
    page = capsys.readouterr().out
    assert "mermaid" not in page
    assert f"`memdec lineage {ref}`" in page


def test_the_path_of_an_artifact_can_be_opened(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = publish(store, "tokens", {"all": (tokens(9), {})})
    artifact_commands.path_of(str(ref), store=store.url)
    (line,) = capsys.readouterr().out.splitlines()
    assert Path(line).read_bytes() == bytes(9)
