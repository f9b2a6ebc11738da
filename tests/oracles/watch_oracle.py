"""What changed between two corpora, the slow way: dictionaries of whole texts."""

from collections.abc import Sequence

Text = tuple[str, str, str]
"""Split, id and text of a document."""


def kept_documents(documents: Sequence[Text]) -> dict[tuple[str, str], str]:
    """Texts by split and id: the first of equal texts, and of equal ids within a split."""
    kept: dict[tuple[str, str], str] = {}
    for split, doc_id, text in documents:
        if (split, doc_id) not in kept and text not in kept.values():
            kept[split, doc_id] = text
    return kept


def changes_of(before: Sequence[Text], after: Sequence[Text]) -> dict[str, set[object]]:
    """Places (split, id) of documents by kind of change; of renamed ones the old and the new."""
    old, new = kept_documents(before), kept_documents(after)
    found: dict[str, set[object]] = {
        kind: set() for kind in ("added", "edited", "removed", "renamed", "unchanged")
    }
    places_of_text = {text: place for place, text in old.items()}
    moved = set()
    for place, text in new.items():
        if old.get(place) == text:
            found["unchanged"].add(place)
        elif text in places_of_text:
            found["renamed"].add((places_of_text[text], place))
            moved |= {("old", places_of_text[text]), ("new", place)}
    for place, text in new.items():
        if old.get(place) == text or ("new", place) in moved:
            continue
        has_predecessor = place in old and ("old", place) not in moved
        found["edited" if has_predecessor else "added"].add(place)
    found["removed"] = {
        place
        for place, text in old.items()
        if new.get(place) != text and ("old", place) not in moved and place not in found["edited"]
    }
    return found
