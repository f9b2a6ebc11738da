"""`memdec artifacts`: look at what is in the store, check it, free its space."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer
from pydantic import JsonValue

from flows.commands.command_options import DEFAULT_STORE, Json, StoreUrl
from flows.server.console import output, print_json, print_table
from storage.garbage import RELEASES, collect_garbage
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_inspection import diff, find_artifact
from storage.store.artifact_paths import data_paths
from storage.store.artifact_store import Store
from storage.store.run_history import last_artifacts, pipelines
from storage.store.verification import verify
from tasks.pages.figure_words import size_of

if TYPE_CHECKING:
    from storage.looks.document_changes import ChangeKind

EXAMPLES_SHOWN = 5

artifacts_app = typer.Typer(help="Inspect, compare, verify and collect artifacts.")

Id = Annotated[
    str, typer.Argument(metavar="ID", help="stage/fingerprint; the beginning is enough.")
]
OptionalId = Annotated[str | None, typer.Argument(metavar="[ID]", help="All when left out.")]
Keep = Annotated[int, typer.Option(min=1, help="Finished runs to keep, of every pipeline.")]
Releases = Annotated[
    int, typer.Option(min=0, help="Releases to keep beside the one in production, likewise.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")]


@artifacts_app.command("ls")
def list_artifacts(store: StoreUrl = DEFAULT_STORE, as_json: Json = False) -> None:
    """List every artifact and the pipelines whose last run uses it."""
    opened = Store.open_existing(store)
    users = _users(opened)
    manifests = [opened.require(ref) for ref in opened.artifacts()]
    readers = _readers(manifests)
    if as_json:
        rows = [
            {
                "stage": each.ref.stage,
                "fingerprint": each.ref.fingerprint,
                "bytes": each.bytes,
                "seconds": round(each.seconds, 1),
                "created": each.created,
                "used_by": users.get(each.ref, []),
                "read_by": readers.get(each.ref, []),
            }
            for each in manifests
        ]
        print_json({"artifacts": rows})
        return
    shown = [
        {
            "artifact": str(each.ref),
            "size": size_of(each.bytes),
            "made": each.created[:10],
            "last run of": ", ".join(users.get(each.ref, [])) + _of_base(readers, each.ref),
        }
        for each in manifests
    ]
    print_table(opened.url, shown)
    total = size_of(sum(each.bytes for each in manifests))
    output.print(f"{len(manifests)} artifacts, {total}")


@artifacts_app.command()
def show(artifact: Id, store: StoreUrl = DEFAULT_STORE, as_json: Json = False) -> None:
    """Show an artifact's manifest; of a report, the report."""
    # with PyTorch, which takes seconds to import
    from tasks.pages.stage_page import how_done, plain_title, stage_page, writes_page

    opened = Store.open_existing(store)
    ref = find_artifact(opened, artifact)
    manifest = opened.require(ref)
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    if writes_page(ref.stage):
        page = opened.only(ref).read("report.md").decode()
    else:
        done = how_done(manifest, reused=False)
        page = stage_page(opened, manifest, plain_title(manifest), done)
    graph = re.compile("```mermaid\n.*?\n```", re.DOTALL)  # which no terminal draws
    page = graph.sub(f"`memdec lineage {ref}`", page)
    output.print(page, markup=False, soft_wrap=True)


@artifacts_app.command("path")
def path_of(artifact: Id, store: StoreUrl = DEFAULT_STORE, as_json: Json = False) -> None:
    """Print paths or globs of an artifact's data, for a notebook; they match nothing else."""
    opened = Store.open_existing(store)
    paths = data_paths(opened, find_artifact(opened, artifact))
    if as_json:
        print_json({"paths": paths})
    else:
        output.print("\n".join(paths), markup=False, soft_wrap=True)


@artifacts_app.command("diff")
def compare(before: Id, after: Id, store: StoreUrl = DEFAULT_STORE, as_json: Json = False) -> None:
    """Show in what two artifacts differ: configuration, inputs, figures, files, documents."""
    opened = Store.open_existing(store)
    refs = find_artifact(opened, before), find_artifact(opened, after)
    found = diff(opened, *refs)
    sections = {name: [change._asdict() for change in part] for name, part in found.items()}
    if {ref.stage for ref in refs} == {"corpus"}:
        sections["documents"] = _document_rows(opened, *refs)
    if as_json:
        print_json(sections)
        return
    for name, part in sections.items():
        if part:
            print_table(name, part)


@artifacts_app.command("verify")
def verify_artifacts(
    artifact: OptionalId = None, store: StoreUrl = DEFAULT_STORE, as_json: Json = False
) -> None:
    """Compare every file with its checksum, follow every reference; exit with 1 on damage."""
    opened = Store.open_existing(store)
    result = verify(opened, None if artifact is None else find_artifact(opened, artifact))
    damaged = [
        {"stage": ref.stage, "fingerprint": ref.fingerprint, "file": file}
        for ref, file in result.damaged
    ]
    missing = [{"artifact": str(each.ref), "needed_by": each.by} for each in result.missing]
    if as_json:
        print_json({"checked": result.checked, "damaged": damaged, "missing": missing})
    else:
        lost = f", {len(missing)} artifacts missing" if missing else ""
        output.print(f"{result.checked} files checked, {len(damaged)} damaged{lost}")
        if damaged:
            print_table("damaged", damaged)
            output.print("Build them again: memdec run PIPELINE.yaml --force STAGE")
        if missing:
            print_table("missing", missing)
            output.print("Build what is missing: memdec run PIPELINE.yaml")
    if damaged or missing:
        raise typer.Exit(1)


@artifacts_app.command()
def gc(
    keep: Keep = 3,
    releases: Releases = RELEASES,
    dry_run: DryRun = False,
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Delete what the last runs and releases of every pipeline and running builds do not need."""
    opened = Store.open_existing(store)
    collected = collect_garbage(opened, keep, releases, dry_run=dry_run)
    names = [str(ref) for ref in collected.artifacts]
    if as_json:
        print_json({"deleted": names, "bytes": collected.bytes, "dry_run": dry_run})
        return
    verb = "would free" if dry_run else "freed"
    output.print(f"{verb} {collected.bytes / 1e6:,.1f} MB; artifacts: {len(names)}")
    for name in names:
        output.print(f"  {name}")


def _users(store: Store) -> dict[ArtifactRef, list[str]]:
    users: dict[ArtifactRef, list[str]] = {}
    for pipeline in pipelines(store):
        for ref in last_artifacts(store, pipeline):
            users.setdefault(ref, []).append(pipeline)
    return users


def _readers(manifests: Sequence[Manifest]) -> dict[ArtifactRef, list[str]]:
    """The stages that read each artifact: tokens a domain's corpus, a base model a general one."""
    readers: dict[ArtifactRef, list[str]] = {}
    for each in manifests:
        for ref in each.inputs.values():
            if each.ref.stage not in readers.setdefault(ref, []):
                readers[ref].append(each.ref.stage)
    return readers


def _of_base(readers: Mapping[ArtifactRef, list[str]], ref: ArtifactRef) -> str:
    """Tells the corpus of general text from the domain's."""
    return " (its base)" if ref.stage == "corpus" and "base_model" in readers.get(ref, []) else ""


def _document_rows(
    store: Store, before: ArtifactRef, after: ArtifactRef
) -> list[dict[str, JsonValue]]:
    """How many documents changed, by kind, with some of their ids."""
    from tasks.inputs.corpus_documents import changed_documents

    changes = changed_documents(store, before, after)
    examples = changes.examples(EXAMPLES_SHOWN)
    return [
        {
            "documents": kind,
            "number": count.documents,
            "such_as": ", ".join(examples.get(cast("ChangeKind", kind), [])),
        }
        for kind, count in changes.counts().items()
    ]
