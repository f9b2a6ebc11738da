"""`memdec artifacts`: look at what is in the store, check it, free its space."""

from typing import Annotated

import typer

from flows.commands.command_options import DEFAULT_STORE, Json, StoreUrl
from flows.server.console import output, print_json, print_table
from storage.garbage import RELEASES, collect_garbage
from storage.store.artifact_inspection import diff, find_artifact
from storage.store.artifact_store import Store
from storage.store.run_history import last_artifacts, pipelines
from storage.store.verification import verify

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
    rows: list[dict[str, object]] = []
    for ref in opened.artifacts():
        manifest = opened.require(ref)
        rows.append(
            {
                "stage": ref.stage,
                "fingerprint": ref.fingerprint,
                "bytes": manifest.bytes,
                "seconds": round(manifest.seconds, 1),
                "created": manifest.created,
                "used_by": users.get(str(ref), []),
            }
        )
    if as_json:
        print_json({"artifacts": rows})
        return
    print_table(opened.url, [_short(row) for row in rows])


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
    output.print(page, markup=False, soft_wrap=True)


@artifacts_app.command("diff")
def compare(before: Id, after: Id, store: StoreUrl = DEFAULT_STORE, as_json: Json = False) -> None:
    """Show in what two artifacts differ: configuration, inputs, figures, files."""
    opened = Store.open_existing(store)
    found = diff(opened, find_artifact(opened, before), find_artifact(opened, after))
    sections = {name: [change._asdict() for change in part] for name, part in found.items()}
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


def _users(store: Store) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for pipeline in pipelines(store):
        for ref in last_artifacts(store, pipeline):
            users.setdefault(str(ref), []).append(pipeline)
    return users


def _short(row: dict[str, object]) -> dict[str, object]:
    users = row["used_by"]
    assert isinstance(users, list)
    return row | {"fingerprint": str(row["fingerprint"])[:12], "used_by": ", ".join(users)}
