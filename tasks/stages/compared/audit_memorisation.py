"""memorisation_audit: how much training text each system reproduces word for word."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.decoding.decoding_config import AuditConfig
from memdec_core.decoding.memorisation import draw_spans, verbatim_rows, verbatim_runs
from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.scoring_config import ScoringConfig
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.formats.row_tables import MEMORISED, RESULTS
from storage.formats.token_shards import TokenReader
from storage.store.shard_files import of_split
from tasks.inputs.scored_model import batch_tokens, open_model
from tasks.inputs.scored_systems import name_bases, tuned_alpha
from tasks.inputs.stream_text import StreamText
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun, StageWork

AUDITED = "train"
CONTROL = "test"
KEPT_EXAMPLES = 20
"""Reproduced spans that are kept as text."""
DISTRIBUTIONS = 5
"""Whole distributions per token in memory at a time: two models', the mixture, temporaries."""


def audit_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Count what base, memory and the two together reproduce; write the table and examples.

    Args:
        run: Shard `all`; config sections `audit`, `scoring` and `alpha`; inputs tokens, memory,
            base, and the scores of both, memory_scores and base_scores, which α is tuned with.

    Returns:
        By split: spans, and the figures of each system.

    Raises:
        UserError: No training document holds a span, or a span does not fit a model.
    """
    config = run.config(AuditConfig)
    name = name_bases(run.store, {"base": run.job.inputs["base"]})["base"]
    rows: list[ResultRow] = []
    examples: list[dict[str, str | int]] = []
    for audit in _audits(run, config):
        for system, runs_S in audit.runs.items():
            rows += verbatim_rows(system, name, audit.split, runs_S, config)
        if audit.split == AUDITED:
            examples = list(_examples(run, audit, config))
    RESULTS.write(run.writer, [row._asdict() for row in rows])
    MEMORISED.write(run.writer, examples)
    return _figures(rows)


class _Audit(NamedTuple):
    """One split: starts of its spans, and each system's verbatim runs in them."""

    split: str
    starts_S: NDArray[np.int64]
    runs: dict[str, NDArray[np.int64]]


def _audits(run: ShardRun, config: AuditConfig) -> Iterator[_Audit]:
    """Counts verbatim runs, split by split; there is no control where no test span is drawn."""
    drawn = _draw(run, config)
    systems, most_tokens = _systems(run, config)
    parts, done = len(drawn) * len(systems), 0
    for split, (tokens, starts_S) in drawn.items():
        runs = {}
        for system, lm in systems.items():
            report = partial(
                _report, run, f"{system.replace('_', ' ')}, {split} split", done, parts
            )
            runs[system] = verbatim_runs(
                lm, starts_S, tokens.read, config, batch_tokens=most_tokens, on_progress=report
            )
            done += 1
        yield _Audit(split, starts_S, runs)


def _report(run: ShardRun, note: str, done: int, parts: int, fraction: float) -> None:
    run.report((done + fraction) / parts, note)


def _systems(run: ShardRun, config: AuditConfig) -> tuple[dict[str, LanguageModel], int]:
    """The systems by name, and the most tokens of a batch."""
    scoring = run.config(ScoringConfig)
    base, memory = (open_model(run, role, scoring) for role in ("base", "memory"))
    for role, lm in (("base", base), ("memory", memory)):
        _check_length(role, lm, config)
    joint = MixtureLM(base, memory, tuned_alpha(run))
    most_tokens = min(_fitting_tokens(lm, run.settings) for lm in (base, memory))
    return {"base": base, "memory_alone": memory, "memory": joint}, most_tokens


def _draw(run: ShardRun, config: AuditConfig) -> dict[str, tuple[TokenReader, NDArray[np.int64]]]:
    """The token streams of the splits that hold spans, and the spans' starts."""
    readers = run.readers("tokens")
    drawn = {}
    for split in (AUDITED, CONTROL):
        if of_split(readers, split):
            tokens = TokenReader(readers, split)
            starts_S = draw_spans(tokens.offsets_D1, config)
            if len(starts_S):
                drawn[split] = tokens, starts_S
    if AUDITED not in drawn:
        raise UserError(
            f"config.comparison.audit: no document of the {AUDITED} split has the "
            f"{config.span_tokens} tokens of a span; lower its prompt_tokens or continuation_tokens"
        )
    return drawn


def _check_length(role: str, lm: TransformerLM, config: AuditConfig) -> None:
    limit, needed = lm.context_length, config.span_tokens - 1
    if limit is not None and needed > limit:
        raise UserError(
            f"config.comparison.audit: a span of {config.span_tokens} tokens does not fit the "
            f"{role}, which reads at most {limit}; lower its prompt_tokens or continuation_tokens"
        )


def _fitting_tokens(lm: TransformerLM, settings: RunSettings) -> int:
    """Tokens of a batch whose distributions take at most half of the worker's memory."""
    memory_bytes = int(settings.memory_gb * 1e9)
    return min(batch_tokens(lm, settings), memory_bytes // 2 // (4 * DISTRIBUTIONS * lm.vocab_size))


def _examples(run: ShardRun, audit: _Audit, config: AuditConfig) -> Iterator[dict[str, str | int]]:
    """What the memory alone reproduces at length, longest first, then in the corpus's order."""
    base = run.only("base")
    text = StreamText(run.readers("tokens"), audit.split, load_tokenizer(base.folder()))
    runs_S, base_S = audit.runs["memory_alone"], audit.runs["base"]
    for span in np.argsort(-runs_S, kind="stable")[:KEPT_EXAMPLES].tolist():
        if length := int(runs_S[span]):
            start = int(audit.starts_S[span])
            begin = start + config.prompt_tokens
            yield {
                **text.place(begin)._asdict(),
                "tokens": length,
                "base_tokens": int(base_S[span]),
                "prompt": text.text(start, begin),
                "text": text.text(begin, begin + length),
            }


def _figures(rows: list[ResultRow]) -> dict[str, JsonValue]:
    """The values by split, system and metric, and how many spans they are of."""
    figures: dict[str, dict[str, JsonValue]] = {}
    for row in rows:
        split = figures.setdefault(row.split, {"spans": row.n})
        split[f"{row.system}_{row.metric}"] = row.value
    return {**figures}


WORK = StageWork(audit_shard)
