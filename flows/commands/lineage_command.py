"""`memdec lineage`: the way back from what answers to the documents that it was made of."""

from typing import Annotated, TypedDict

import typer

from flows.commands.command_options import DEFAULT_STORE, Json, StoreUrl
from flows.server.console import output, print_json, print_table
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_inspection import find_named
from storage.store.artifact_store import Store
from storage.store.references import recorded
from tasks.inputs.corpus_documents import document_names
from tasks.pages.lineage import trace

SHOWN_DOCUMENTS = 5

Named = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The system_fingerprint of an answer, PIPELINE:NUMBER of a release, or an artifact.",
    ),
]


class LineageRow(TypedDict):
    """An artifact on the way: what it was made from, by role, and who refers to it."""

    artifact: str
    made: str
    flow_run_id: str | None
    made_from: dict[str, str]
    referred_to_by: list[str]


def lineage(named: Named, store: StoreUrl = DEFAULT_STORE, as_json: Json = False) -> None:
    """Show what an answer, a release or an artifact was made from, back to the documents."""
    opened = Store.open_existing(store)
    ends = find_named(opened, named)
    found = trace(ends, opened.manifest)
    newest_first = sorted(found.values(), key=lambda each: each.created, reverse=True)
    users = _users(opened)
    rows = [_row(each, users.get(each.ref, [])) for each in newest_first]
    corpora = {
        str(each.ref): document_names(opened, each.ref)
        for each in newest_first
        if each.ref.stage == "corpus"
    }
    if as_json:
        print_json({"id": named, "artifacts": rows, "documents": corpora})
        return
    for ref in ends:
        said = ", ".join(users.get(ref, [])) or "no release and no run"
        output.print(f"{ref} is of {said}", markup=False, soft_wrap=True)
    print_table(named, [_shown(row) for row in rows])
    for corpus, splits in corpora.items():
        output.print(f"Documents of {corpus}", markup=False)
        for split, ids in splits.items():
            shown = ", ".join(ids[:SHOWN_DOCUMENTS])
            more = f", … ({len(ids)}; --json has all)" if len(ids) > SHOWN_DOCUMENTS else ""
            output.print(f"  {split}: {shown}{more}", markup=False, soft_wrap=True)


def _row(manifest: Manifest, users: list[str]) -> LineageRow:
    return LineageRow(
        artifact=str(manifest.ref),
        made=manifest.created,
        flow_run_id=manifest.flow_run_id,
        made_from={role: str(ref) for role, ref in manifest.inputs.items()},
        referred_to_by=users,
    )


def _shown(row: LineageRow) -> dict[str, str]:
    return {
        "artifact": row["artifact"],
        "made": row["made"][:16].replace("T", " "),
        "from": "\n".join(row["made_from"].values()),
    }


def _users(store: Store) -> dict[ArtifactRef, list[str]]:
    """The releases and runs that ended with each artifact."""
    users: dict[ArtifactRef, list[str]] = {}
    for each in recorded(store):
        users.setdefault(each.ref, []).append(each.by)
    return users
