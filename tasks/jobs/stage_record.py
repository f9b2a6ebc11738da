"""What is written down of a stage, once: all that others need to know of it."""

from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """One way to do a stage.

    Attributes:
        module: Dotted name of a module that defines `WORK`, imported in worker processes alone; the
            Prefect task is named after its last part.
        does: What it does, for the Prefect UI.
        sharded: Whether it lists its shards; if not, there is one.
        section: The section of a job's configuration that asks for it; empty for what is done
            unless asked for otherwise.
    """

    module: str
    does: str
    sharded: bool = False
    section: str = ""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: `tasks.jobs.stage_catalogue` has all of them.

    Attributes:
        name: The first part of its artifacts' names; part of their fingerprints.
        format_version: Raised when its output for the same configuration and inputs changes; part
            of the fingerprints, so that everything is then built anew.
        noun: What its artifact is called.
        run: What its run is called, where `{of}` stands for the pipeline's name.
        other_run: The same of a further job of the stage, where `{of}` stands for what that is
            about; as `run` if empty, "… for …" in place of "… of …".
        what: What its artifact is, in a sentence.
        made: The artifact in a few words, from its figures: those of a split, such as
            `{"valid": {"perplexity": 5.1}}`, as `{valid_perplexity}`.
        next_command: What one may want to run next, and why.
        writes_page: Whether its artifact holds a page of its own, report.md.
        module: How it is done, and
        does: what that is, and
        sharded: whether it has several shards, as in `Work`.
        other_works: Other ways to do it, which a section asks for.
    """

    name: str
    format_version: int = 1
    noun: str
    run: str
    other_run: str = ""
    what: str
    made: str = ""
    next_command: tuple[str, str] | None = None
    writes_page: bool = False
    module: str
    does: str
    sharded: bool = False
    other_works: tuple[Work, ...] = ()

    def works(self) -> list[Work]:
        """All ways to do it, the usual one first."""
        return [Work(self.module, self.does, self.sharded), *self.other_works]

    def work_for(self, config: Container[str]) -> Work:
        """The work that a job asks for by the sections of its configuration."""
        usual, *others = self.works()
        return next((work for work in others if work.section in config), usual)
