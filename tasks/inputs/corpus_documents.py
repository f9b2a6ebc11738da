"""Which documents a corpus has."""

from memdec_core.text.document_split import SPLITS
from storage.formats.corpus_parquet import CorpusReader
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
