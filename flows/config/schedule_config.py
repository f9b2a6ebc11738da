"""When a deployed pipeline's flows run by themselves."""

from pydantic import BaseModel, Field, ValidationError, field_validator


class ScheduleConfig(BaseModel, frozen=True, extra="forbid"):
    """Schedules that `memdec deploy` gives a pipeline's deployments; they change no artifact."""

    watch: str | None = Field(
        "*/15 * * * *",
        description="When to look whether the documents have changed, which starts a build: a cron "
        "expression of minute, hour, day of month, month, day of week; null for never.",
    )
    build: str | None = Field(
        None,
        description="When to build what is not built yet, in addition to changes of the documents: "
        "a cron expression; null for never.",
    )
    compare: str | None = Field(
        None,
        description="When to compare the memory with the other systems: a cron expression; null "
        "for never.",
    )
    timezone: str = Field(
        "UTC", description="Time zone of these expressions, such as `Europe/Berlin`."
    )

    @field_validator("watch", "build", "compare")
    @classmethod
    def _cron_expression(cls, cron: str | None) -> str | None:
        if cron is not None and not _is_valid(cron=cron):
            raise ValueError(
                f"{cron!r} is no cron expression; give minute, hour, day of month, month and day "
                "of week, as in '30 2 * * *' for every day at 2:30, or null for never"
            )
        return cron

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, timezone: str) -> str:
        if not _is_valid(cron="0 0 * * *", timezone=timezone):
            raise ValueError(f"{timezone!r} is no time zone; give one as 'Europe/Berlin' or 'UTC'")
        return timezone


def _is_valid(**schedule: str) -> bool:
    """Whether Prefect accepts a schedule; it takes seconds to import, so only where one is set."""
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule.model_validate(schedule)
    except ValidationError:
        return False
    return True
