"""Which documents a corpus has, and in which two corpora differ."""

from memdec_core.text.document_split import SPLITS
from storage.formats.corpus_parquet import CorpusReader
from storage.looks.document_changes import DocumentChanges, document_changes
from storage.looks.document_table import corpus_documents
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store


def document_names(store: Store, corpus: ArtifactRef) -> dict[str, list[str]]:
    """The ids of a corpus's documents by split, in the order of the corpus.

    Raises:
        MissingArtifact: There is no such corpus.
    """
    reader = CorpusReader(store.only(corpus))
    return {
        split: [name for part in reader.parts(split) for name in reader.names(part)]
        for split in SPLITS
    }


def changed_documents(store: Store, before: ArtifactRef, after: ArtifactRef) -> DocumentChanges:
    """Which documents were added, edited, removed or renamed from one corpus to another.

    Raises:
        MissingArtifact: There is no such corpus.
    """
    tables = (corpus_documents(CorpusReader(store.only(ref)), SPLITS) for ref in (before, after))
    return document_changes(*tables)
