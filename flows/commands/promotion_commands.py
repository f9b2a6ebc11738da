"""`memdec promote`, `rollback` and `history`: what of a pipeline is in production, and why."""

import getpass
import socket
from collections.abc import Mapping
from typing import Annotated

import typer

from flows.commands.command_options import DEFAULT_STORE, Json, Pipeline, StoreUrl
from flows.config.config_file import load_config
from flows.server.console import output, print_json, print_table
from memdec_core.errors import UserError
from storage.store.artifact_store import Store
from storage.store.collection_history import collected
from storage.store.production import (
    Decision,
    in_production,
    read_decisions,
    record_decision,
    rejection,
    ways_back,
)
from storage.store.run_history import read_history
from tasks.inputs.finished_run import release_of_run

Why = Annotated[str, typer.Option(help="The reason, for the history.")]
Run = Annotated[
    int | None,
    typer.Option(min=1, help="Number of a finished run, 1 is the oldest; the newest if unset."),
]
To = Annotated[
    int | None,
    typer.Option(min=1, help="Number of a decision in the history; the release before if unset."),
]


def promote(
    pipeline: Pipeline,
    run: Run = None,
    why: Why = "by hand",
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Put a finished build into production, whatever the gate said of it."""
    name, opened = load_config(pipeline).name, Store.open_existing(store)
    runs = read_history(opened, name)
    if not runs:
        raise UserError(f"{name} has no finished run in {opened.url}: `memdec run` makes one")
    if run is not None and run > len(runs):
        raise UserError(f"--run {run}: {name} has {len(runs)} finished runs")
    finished = runs[-1 if run is None else run - 1]
    decision = Decision(
        action="promoted",
        release=release_of_run(opened, finished),
        artifacts=finished.artifacts,
        who=_person(),
        why=why,
    )
    _record(opened, name, decision, as_json=as_json)


def rollback(
    pipeline: Pipeline,
    to: To = None,
    why: Why = "by hand",
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Bring an earlier release back; nothing is rebuilt. No run promotes the one that goes."""
    name, opened = load_config(pipeline).name, Store.open_existing(store)
    earlier = _earlier(opened, name, to)
    decision = Decision(
        action="rolled_back",
        release=earlier.release,
        artifacts=earlier.artifacts,
        gate=earlier.gate,
        who=_person(),
        why=why,
    )
    _record(opened, name, decision, as_json=as_json)


def history(pipeline: Pipeline, store: StoreUrl = DEFAULT_STORE, as_json: Json = False) -> None:
    """Show every decision: who put what into production or kept it back, when and why."""
    name, opened = load_config(pipeline).name, Store.open_existing(store)
    decisions = read_decisions(opened, name)
    current = in_production(decisions)
    rows = [
        {
            "number": number,
            "when": each.when,
            "action": each.action,
            "memory": str(each.release.memory),
            "gate": None if each.gate is None else str(each.gate),
            "who": each.who,
            "why": each.why,
            "in_production": each is current,
            "gone": _gone(opened, each) or None,
        }
        for number, each in enumerate(decisions, 1)
    ]
    if as_json:
        print_json({"pipeline": name, "decisions": rows})
    elif rows:
        print_table(f"{name}: * is in production", [_shown(row) for row in rows])
        if gates := [row["gate"] for row in rows if row["gate"]]:
            output.print(f"What was measured: memdec artifacts show {gates[-1]} --store {store}")
    else:
        output.print(f"{name}: nothing has been decided yet; a finished `memdec run` is judged")
    if not as_json and (gone := [row for row in rows if row["gone"]]):
        output.print("Gone, so that they cannot come back:")
        for row in gone:
            output.print(f"  {row['number']}: {row['gone']}", soft_wrap=True, markup=False)


def _shown(row: Mapping[str, object]) -> dict[str, str]:
    mark = "*" if row["in_production"] else ""
    return {
        "": f"{row['number']}{mark}",
        "when": str(row["when"])[:16],
        "action": str(row["action"]).replace("_", " "),
        "memory": str(row["memory"]),
        "who": str(row["who"]),
        "why": str(row["why"]),
    }


def _earlier(store: Store, name: str, number: int | None) -> Decision:
    """The decision whose release comes back."""
    decisions = read_decisions(store, name)
    if in_production(decisions) is None:
        raise UserError(f"{name} has nothing in production, so there is nothing to go back from")
    if number is not None:
        if number > len(decisions):
            raise UserError(f"--to {number}: the history of {name} has {len(decisions)} decisions")
        chosen = decisions[number - 1]
        if gone := _gone(store, chosen):
            raise UserError(f"--to {number}: that release cannot come back: {gone}")
        return chosen
    for _, each in ways_back(decisions)[1:]:
        if rejection(decisions, each.release) is None and not _gone(store, each):
            return each
    raise UserError(
        f"{name} has no earlier release that is still there and was not rolled back; "
        "--to brings back any decision of `memdec history` whose artifacts are there"
    )


def _gone(store: Store, decision: Decision) -> str:
    """What of a release is not in the store, and why; empty if all is there."""
    missing = [ref for ref in vars(decision.release).values() if not store.exists(ref)]
    if not missing:
        return ""
    when = collected(store)
    return "; ".join(
        f"{ref} was deleted by `memdec artifacts gc` ({when[ref][:10]})"
        if ref in when
        else f"{ref} is missing, see `memdec artifacts verify`"
        for ref in missing
    )


def _record(store: Store, name: str, decision: Decision, *, as_json: bool) -> None:
    seen = len(read_decisions(store, name))
    if not record_decision(store, name, decision, after=seen):
        raise UserError(
            f"somebody decided on {name} at the same moment: look at `memdec history` and try again"
        )
    if as_json:
        print_json({"pipeline": name, "decision": decision.model_dump(mode="json")})
    else:
        output.print(
            f"{name}: {decision.release.memory} is in production; `memdec serve` follows",
            markup=False,
        )
    from flows.running.announced_decision import announce_where_configured  # seconds, for Prefect

    announce_where_configured(store, name)


def _person() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
