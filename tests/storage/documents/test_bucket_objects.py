"""Documents in a bucket: what is listed, how it is called, and that it is read as it was listed."""

import gzip
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import obstore
import pytest

from storage.documents.document_files import passed_over
from storage.documents.document_readers import read_documents
from storage.documents.document_sources import Source, resolve_sources
from storage.documents.source_digests import source_digest, source_stamp
from storage.objects.root_urls import open_bucket, open_root
from storage.objects.store_errors import SourceError, StoreForbidden
from tests.oracles.documents_oracle import FIELDS, numbered, read, reasons
from tests.services.s3_server import Bucket

FILES = {
    "a.jsonl": numbered(3),
    "below/b.jsonl.gz": gzip.compress(numbered(2, start=3)),
    "below/note.txt": b"A note.",
    "below/scan.pdf": b"%PDF",
    "LICENSE": b"free",
    ".hidden/c.jsonl": numbered(1, start=9),
    "below/.hidden.jsonl": numbered(1, start=9),
}


@pytest.fixture
def prefix(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A prefix that holds the files, beside another whose name starts alike."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    open_bucket.cache_clear()  # it keeps the address of another test's server
    url = f"{bucket.url}/{uuid4().hex}"
    for name, content in FILES.items():
        put(f"{url}/docs", name, content)
    put(f"{url}/docs-of-others", "d.jsonl", numbered(1, start=99))
    yield f"{url}/docs"
    open_bucket.cache_clear()


def put(prefix: str, name: str, content: bytes) -> None:
    obstore.put(open_bucket(prefix), name, content)


def sources(*entries: str) -> list[Source]:
    return resolve_sources({"train": entries}, {"train": "config.corpus.documents"})["train"]


def test_a_prefix_gives_the_documents_that_the_same_folder_gives(
    prefix: str, tmp_path: Path
) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert read(prefix) == read(tmp_path)
    assert read(f"{prefix}/") == read(tmp_path)
    assert passed_over(prefix) == passed_over(str(tmp_path)) == {".pdf": 1, "": 1}


def test_one_object_is_called_as_a_file_is(prefix: str) -> None:
    (source,) = sources(f"{prefix}/below/note.txt")
    assert source.name == "note.txt"
    assert [document.text for document in read(f"{prefix}/below/note.txt")[0]] == ["A note."]
    assert reasons(read(f"{prefix}/below/scan.pdf")[1]) == {0: "unknown format"}
    assert not passed_over(f"{prefix}/below/scan.pdf")


def test_files_and_objects_of_one_name_are_told_apart(prefix: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(numbered(1))
    names = [source.name for source in sources(f"{prefix}/a.jsonl", str(tmp_path / "a.jsonl"))]
    assert set(names) == {f"{tmp_path.name}/a.jsonl", "docs/a.jsonl"}
    put(f"{prefix}/below", "a.jsonl", numbered(1))
    names = [source.name for source in sources(f"{prefix}/a.jsonl", f"{prefix}/below/a.jsonl")]
    assert set(names) == {"below/a.jsonl", "docs/a.jsonl"}


def test_digest_and_stamp_change_with_the_bytes_alone(prefix: str) -> None:
    def look() -> tuple[str, str]:
        (source,) = sources(f"{prefix}/a.jsonl")
        return source_digest(source), source_stamp(source)

    before = look()
    put(prefix, "a.jsonl", FILES["a.jsonl"])
    assert look() == before
    put(prefix, "a.jsonl", FILES["a.jsonl"].replace(b"text 1", b"text 7"))
    digest, stamp = look()
    assert digest != before[0]
    assert stamp != before[1]


@pytest.mark.parametrize("what", ["replaced", "gone"])
def test_an_object_is_read_as_it_was_listed_or_not_at_all(prefix: str, what: str) -> None:
    (source,) = sources(f"{prefix}/a.jsonl")
    if what == "gone":
        obstore.delete(open_bucket(prefix), "a.jsonl")
    else:
        put(prefix, "a.jsonl", numbered(4))
    with pytest.raises(SourceError, match=r"docs/a\.jsonl: (was replaced|there is no such)"):
        list(read_documents(source, FIELDS))


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("/none", r"documents\[0\]: s3://.*/none: there is no such object, prefix or bucket"),
        ("/*.jsonl", r"documents\[0\]: .* give s3://bucket/key of one object"),
        ("/below/scan", "there is no such"),
        ("?versionId=1", "holds a user, a password or parameters"),
    ],
)
def test_an_entry_that_names_nothing_is_an_error_with_the_remedy(
    prefix: str, end: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        sources(prefix + end)


def test_a_prefix_without_documents_and_a_missing_bucket_are_errors(prefix: str) -> None:
    put(f"{prefix}/pictures", "a.png", b"PNG")
    with pytest.raises(SourceError, match="pictures' holds no documents"):
        sources(f"{prefix}/pictures")
    with pytest.raises(SourceError, match=f"s3://{'missing' * 3}/docs: there is no such"):
        sources(f"s3://{'missing' * 3}/docs")


class _Forbids(BaseHTTPRequestHandler):
    """Answers as S3 does to credentials that may not list."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.end_headers()
        self.wfile.write(b"<Error><Code>AccessDenied</Code></Error>")


def test_credentials_that_may_not_list_are_an_error_with_the_remedy(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Forbids)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    open_bucket.cache_clear()
    try:
        with pytest.raises(SourceError, match="s3:ListBucket and s3:GetObject"):
            sources(prefix)
        with pytest.raises(StoreForbidden, match="refuses the credentials"):
            open_root(prefix, create=False)
    finally:
        server.shutdown()
        server.server_close()
