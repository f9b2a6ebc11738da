"""report: one page on what was built, how good it is and where to look next."""

from pydantic import JsonValue

from storage.formats.row_tables import RESULTS
from tasks.jobs.stage_work import ShardRun, StageWork
from tasks.pages.lineage import trace
from tasks.pages.report_page import headline, report_page

PICTURES = {
    "loss_curves.png": ("memory", "curves.png"),
    "alpha_curve.png": ("evaluation", "alpha_curve.png"),
}


def report_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Write report.md and its pictures.

    Args:
        run: Shard `all`; every other stage's artifact as input, by the stage's name and in
            the order of the page.

    Returns:
        The headline, for the manifest.
    """
    inputs = run.job.inputs
    stages = {stage: run.store.require(ref) for stage, ref in inputs.items()}
    pictures = []
    for name, (stage, source) in PICTURES.items():
        reader = run.store.only(inputs[stage])
        if source in reader.names():
            (run.writer.folder / name).write_bytes(reader.read(source))
            pictures.append(name)
    rows = RESULTS.read(run.store.only(inputs["evaluation"]))
    lineage = trace(inputs.values(), run.store.require)
    page = report_page(stages, lineage, rows, pictures)
    (run.writer.folder / "report.md").write_text(page, encoding="utf-8")
    return {"headline": " ".join(line.strip().replace("**", "") for line in headline(rows))}


WORK = StageWork(report_shard)
