"""What became of the documents between two looks at a corpus."""

from typing import Literal, NamedTuple, get_args

import polars as pl

from storage.looks.document_table import KEY, Documents

ChangeKind = Literal["added", "edited", "removed", "renamed"]
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)


class DocumentCount(NamedTuple):
    """How many documents, and their characters (of those removed: what they had)."""

    documents: int
    characters: int


class DocumentChanges(NamedTuple):
    """Every document of either look is in one of these.

    Attributes:
        added: Under an id that is new, with a text that is new.
        edited: Under the same id with a text that is new.
        removed: Neither its id nor its text is there any more.
        renamed: A text that is still there under another id or in another split; `old_split` and
            `old_id` say what it was called.
        unchanged: Same id, same split, same text.
    """

    added: Documents
    edited: Documents
    removed: Documents
    renamed: pl.DataFrame
    unchanged: Documents

    def is_empty(self) -> bool:
        """Whether not one document changed."""
        return all(getattr(self, kind).is_empty() for kind in KINDS)

    def counts(self) -> dict[str, DocumentCount]:
        """Sizes by kind, the unchanged ones last."""
        return {
            kind: DocumentCount(len(rows), int(rows["characters"].sum()))
            for kind, rows in self._asdict().items()
        }

    def examples(self, most: int) -> dict[ChangeKind, list[str]]:
        """Ids of some documents of each kind, sorted; of renamed ones the old id and the new."""
        found = {}
        for kind in KINDS:
            rows = getattr(self, kind).sort("doc_id", "split").head(most)
            ids = rows["doc_id"].to_list()
            if kind == "renamed":
                pairs = zip(rows["old_id"], rows["old_split"], ids, rows["split"], strict=True)
                ids = [_renaming(*pair) for pair in pairs]
            found[kind] = ids
        return found

    def new(self) -> Documents:
        """Documents whose text was not there before."""
        return pl.concat([self.added, self.edited])


def document_changes(before: Documents, after: Documents) -> DocumentChanges:
    """Compares two tables, text first: what has the same text was not edited.

    Ids that only number the records of a file all move when one is put in front; by the texts the
    one is found.

    Args:
        before: Distinct documents of the earlier look.
        after: Distinct documents of the later one.
    """
    same = [*KEY, "digest"]
    unchanged = after.join(before, on=same, how="semi")
    gone = before.join(after, on=same, how="anti")
    come = after.join(before, on=same, how="anti")
    old_names = gone.select("digest", old_split="split", old_id="doc_id")
    renamed = come.join(old_names, on="digest")
    gone = gone.join(renamed, on="digest", how="anti")
    come = come.join(renamed, on="digest", how="anti")
    return DocumentChanges(
        added=come.join(gone, on=KEY, how="anti"),
        edited=come.join(gone, on=KEY, how="semi"),
        removed=gone.join(come, on=KEY, how="anti"),
        renamed=renamed,
        unchanged=unchanged,
    )


def sample_digests(rows: Documents, characters: int) -> list[bytes]:
    """Texts of at least so many characters together, or all, chosen by their digests.

    The order of digests has nothing to do with files, ids or lengths, and is always the same.
    """
    ordered = rows.sort("digest")
    before = ordered["characters"].cum_sum() - ordered["characters"]
    return ordered.filter(before < characters)["digest"].to_list()


def _renaming(old_id: str, old_split: str, new_id: str, new_split: str) -> str:
    if old_split == new_split:
        return f"{old_id} → {new_id}"
    return f"{old_id} ({old_split}) → {new_id} ({new_split})"
