"""latency: how long each system takes to generate, and what it keeps in memory and on disk."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import JsonValue

from memdec_core.decoding.decoding_config import LatencyConfig
from memdec_core.decoding.latency import BASE, Timing, joint_flops_ratio, time_decoders
from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.plots.comparison_plots import RatioPoint, latency_png
from memdec_core.scoring.scoring_config import ScoringConfig
from storage.formats.row_tables import LATENCIES
from storage.formats.token_shards import TokenReader
from storage.store.shard_files import of_split
from tasks.comparison.timed_systems import TimedSystem, open_systems
from tasks.inputs.scored_model import open_model
from tasks.inputs.scored_systems import name_bases
from tasks.jobs.stage_work import ShardRun, StageWork
from tasks.pages.compared.latency_page import PICTURE

PROMPT_SPLITS = ("test", "valid")

TimedRow = dict[str, str | int | float | None]


def measure_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Measure all systems on one base; write the table and the picture.

    Args:
        run: Shard `all`; config sections `latency` and `scoring`, and inputs tokens, base and
            memory. For in-context retrieval also a section `retrieval`; for kNN-LM also sections
            `knn_lm` and `index`, and the inputs embeddings and index, which are the base's.

    Returns:
        Ratios to the base, by system, after the longest prompt.

    Raises:
        UserError: There is no text for prompts, or a system does not fit the base.
    """
    config = run.config(LatencyConfig)
    scoring = run.config(ScoringConfig)
    base, memory = (open_model(run, role, scoring) for role in ("base", "memory"))
    text = _prompt_text(run)
    contexts = _contexts(config, (base, memory), text.n_tokens)
    systems = list(open_systems(run, base, memory))
    common = name_bases(run.store, {"base": run.job.inputs["base"]}) | _machine(base)
    rows: list[TimedRow] = []
    for number, context in enumerate(contexts):
        run.report(number / len(contexts), f"prompts of {context:,} tokens")
        flops = {"base": 1.0, "memory": joint_flops_ratio(base.model, memory.model, context)}
        timings = time_decoders(
            {_key(system): system.new_decoder for system in systems},
            _prompts(text, context, config),
            config,
        )
        rows += [
            _row(system, context, timings[_key(system)], flops.get(system.name)) | common
            for system in systems
        ]
    LATENCIES.write(run.writer, rows)
    # the longest prompts come last
    picture = _picture(systems, timings, flops["memory"], context)
    (run.writer.folder / PICTURE).write_bytes(picture)
    ratios = {f"{key}_ratio": timing.ratio for key, timing in timings.items() if key != BASE}
    return {"context": context, "memory_flops_ratio": flops["memory"], **ratios}


def _prompt_text(run: ShardRun) -> TokenReader:
    """The split that prompts are cut from, which no system was trained on."""
    readers = run.readers("tokens")
    for split in PROMPT_SPLITS:
        if of_split(readers, split):
            text = TokenReader(readers, split)
            if text.n_tokens:
                return text
    raise UserError(
        "the corpus has no text in its test and valid splits, from which the prompts of the "
        "latency measurement come: give it documents for one of them, in config.corpus"
    )


def _contexts(config: LatencyConfig, models: Sequence[TransformerLM], n_tokens: int) -> list[int]:
    """The prompts' lengths, shortened to what the models read and the text holds."""
    limits = [lm.context_length for lm in models if lm.context_length is not None]
    room = min(limits, default=n_tokens + config.new_tokens) - config.new_tokens
    if room < 1:
        raise UserError(
            f"config.comparison.latency.new_tokens: {config.new_tokens} new tokens leave no room "
            f"for a prompt in a model that reads at most {min(limits)}: "
            f"set it to {min(limits) - 1} or less"
        )
    return sorted({min(context, room, n_tokens) for context in config.contexts})


def _prompts(text: TokenReader, context: int, config: LatencyConfig) -> list[list[int]]:
    """Random stretches of the text, one per round."""
    rng = np.random.default_rng(config.seed)
    starts = rng.integers(0, text.n_tokens - context + 1, 1 + config.repeats).tolist()
    return [text.read(start, start + context).tolist() for start in starts]


def _key(system: TimedSystem) -> str:
    """A name for a system and its size of datastore."""
    rows = system.datastore_rows
    return system.name if rows is None else f"{system.name}_{rows}"


def _machine(lm: TransformerLM) -> TimedRow:
    on_gpu = lm.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(lm.device) if on_gpu else "CPU",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _row(system: TimedSystem, context: int, timing: Timing, flops_ratio: float | None) -> TimedRow:
    return {
        "system": system.name,
        "context": context,
        "datastore_rows": system.datastore_rows,
        "first_token_ms": 1e3 * timing.first_token,
        "ms_per_token": 1e3 * timing.per_token,
        "tokens_per_second": 1 / timing.per_token,
        "ratio": timing.ratio,
        "ratio_low": timing.ratio_low,
        "ratio_high": timing.ratio_high,
        "flops_ratio": flops_ratio,
        "memory_bytes": system.memory_bytes,
        "disk_bytes": system.disk_bytes,
    }


def _picture(
    systems: Sequence[TimedSystem],
    timings: Mapping[str, Timing],
    flops_ratio: float,
    context: int,
) -> bytes:
    points: dict[str, list[RatioPoint]] = {}
    for system in systems:
        timing = timings[_key(system)]
        point = RatioPoint(system.datastore_rows, timing.ratio, timing.ratio_low, timing.ratio_high)
        points.setdefault(system.name, []).append(point)
    return latency_png(points, flops_ratio, context)


WORK = StageWork(measure_shard)
