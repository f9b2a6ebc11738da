"""What `memdec run` prints at its end: what was built, how long, how good, where to look next."""

import os
from collections.abc import Iterator
from pathlib import Path

from flows.running.run_result import BuildResult, Outcome, Promotion, StageResult
from flows.server.console import output, print_table
from tasks.pages.figure_words import seconds_of, size_of
from tasks.pages.report_tables import compared

_SAID: dict[Outcome, str] = {
    "promoted": "In production",
    "candidate": "A candidate",
    "kept_back": "Kept back",
}


def show_result(result: BuildResult, pipeline: Path, store: str, seconds: float) -> None:
    """Prints tables of the stages and of the evaluation, and what to do next.

    Args:
        result: Of the run.
        pipeline: The file that was run.
        store: As it was given.
        seconds: That the command took.
    """
    stages = result["stages"]
    print_table(f"{result['pipeline']}: {_summed_up(stages, seconds)}", [*map(_row, stages)])
    if result["evaluation"]:
        shown = ("base model", "split", "base", "base + memory", "ratio", "α")
        rows = [{name: row[name] for name in shown} for row in compared(result["evaluation"])]
        print_table("Perplexity (confidence interval)", rows)
    for said in result["rejected"]:
        _say(f"Not all documents are in it: {said}")
    if result["promotion"] is not None:
        for said in _decision(result["promotion"], pipeline):
            _say(said)
    for said in _where_to_look(result, pipeline, store):
        _say(said)


def _summed_up(stages: list[StageResult], seconds: float) -> str:
    reused = sum(stage["reused"] for stage in stages)
    size = size_of(sum(stage["bytes"] for stage in stages))
    if reused == len(stages):
        return f"nothing to build, {reused} stages reused, {size}"
    return (
        f"{len(stages) - reused} of {len(stages)} stages built, {reused} reused, {size}, in "
        f"{seconds_of(seconds)}"
    )


def _row(stage: StageResult) -> dict[str, str]:
    return {
        "stage": stage["name"],
        "": "reused" if stage["reused"] else "built",
        "time": "" if stage["reused"] else seconds_of(stage["seconds"]),
        "size": size_of(stage["bytes"]),
        "what": stage["made"],
    }


def _decision(promotion: Promotion, pipeline: Path) -> Iterator[str]:
    yield f"{_SAID[promotion['outcome']]}: {promotion['why']}"
    if promotion["outcome"] != "promoted":
        yield f"To put it into production all the same: memdec promote {pipeline}"


def _where_to_look(result: BuildResult, pipeline: Path, store: str) -> Iterator[str]:
    for stage in result["stages"]:
        if stage["stage"] == "report":
            ref = f"report/{stage['fingerprint'][:12]}"
            yield f"The whole report: memdec artifacts show {ref} --store {store}"
            yield f'Try it: memdec generate {pipeline} --store {store} --prompt "…"'
    if result["flow_run_id"] is None:
        return
    server = os.environ.get("PREFECT_API_URL")
    if server:
        page = f"{server.removesuffix('/api')}/v2/runs/flow-run/{result['flow_run_id']}"
        yield f"The run in the Prefect UI: {page}"
    else:
        yield "The run in the Prefect UI: start it with `make ui`, then open Runs."


def _say(line: str) -> None:
    output.print(line, soft_wrap=True, markup=False)
