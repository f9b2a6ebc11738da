import sys
import textwrap
from pathlib import Path

import pytest

from storage.documents.docstring_documents import documentation, read_docstrings
from storage.documents.document_records import Document
from storage.documents.document_sources import PackageSource
from storage.documents.package_modules import module_files
from storage.documents.source_digests import source_digest
from tests.oracles.documents_oracle import read, reasons

LONG = "It explains at some length what the thing is for and how one uses it, in plain words.\n" * 4
MODULE = f'''"""The module's docstring.

    {LONG}"""

CODE = """{"int main() {{ return 0; }};" * 50}
"""
SHORT = "a short string"

class Thing:
    """Class docstring."""

    def act(self, x="default"):
        r"""Method docstring with \\alpha."""
        f"""not a docstring {{x}} {LONG}"""
        return add_docstr(x, r"""
            Documentation passed to a function.

{textwrap.indent(LONG, " " * 12)}""")
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package whose import would fail."""
    folder = tmp_path / "documented_thing"
    for name, content in {
        "__init__.py": f'"""{LONG}"""\nraise RuntimeError("imported")\n',
        "b.py": MODULE,
        "inner/a.py": f'"""Another one. {LONG}"""\n"\\d"\n',
        "copied.py": f'"""{LONG}"""\n',
        "short.py": '"""Too short to be a document."""\n',
        "broken.py": "def (:\n",
        "surrogate.py": f'"""\\ud800 {LONG}"""\n',
        "tests/test_it.py": f'"""A test. {LONG}"""\n',
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_module_gives_its_docstrings_and_long_documentation_strings(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(MODULE)
    passages = documentation(tmp_path / "m.py")
    assert [passage.splitlines()[0] for passage in passages] == [
        "The module's docstring.",
        "Class docstring.",
        r"Method docstring with \alpha.",
        "Documentation passed to a function.",
    ]
    assert passages[3].splitlines()[2].startswith("It explains")


def test_each_documented_module_is_a_document_and_none_is_imported(package: Path) -> None:
    documents, rejects = read("docstrings:documented_thing")
    assert [document.doc_id for document in documents] == [
        "docstrings/documented_thing/__init__.py",
        "docstrings/documented_thing/b.py",
        "docstrings/documented_thing/inner/a.py",
    ], "short ones, tests and copies of earlier passages are left out"
    assert reasons(rejects) == {3: "malformed Python", 7: "not Unicode"}
    assert "documented_thing" not in sys.modules


def test_a_part_of_a_package_can_be_named(package: Path) -> None:
    documents, _ = read("docstrings:documented_thing.inner")
    assert [document.doc_id for document in documents] == ["docstrings/documented_thing/inner/a.py"]
    documents, _ = read("docstrings:documented_thing.b")
    assert [document.doc_id for document in documents] == ["docstrings/documented_thing/b.py"]


def test_the_digest_of_a_package_follows_its_sources(package: Path) -> None:
    source = PackageSource("docstrings:documented_thing", "documented_thing")
    before = source_digest(source)
    (package / "tests" / "test_it.py").write_text("changed = 1\n")
    assert source_digest(source) == before
    (package / "b.py").write_text("changed = 1\n")
    assert source_digest(source) != before


def test_the_standard_library_is_its_own_modules_only() -> None:
    names = [name for name, _ in module_files("stdlib")]
    assert "stdlib/pydoc_data/topics.py" in names
    assert not any("site-packages" in name or "/test/" in name for name in names)


@pytest.mark.slow
def test_the_documentation_of_the_standard_library_is_enough_to_pretrain_on() -> None:
    records = list(read_docstrings(PackageSource("docstrings:stdlib", "stdlib")))
    documents = [record for record in records if isinstance(record, Document)]
    assert sum(len(document.text) for document in documents) > 1_800_000
    assert len(documents) > 300
