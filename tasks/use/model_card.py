"""The card of an exported model: what it is, how to use it, what was measured, what it is not.

Its words are those of `model_card.md.jinja`, beside this module.
"""

from collections.abc import Mapping

from huggingface_hub import ModelCardData
from pydantic import JsonValue

from storage.objects.manifest import Manifest
from tasks.jobs.software import software_versions
from tasks.pages.compared.audit_page import audit_sections
from tasks.pages.compared.comparison_tables import (
    corpora_elsewhere,
    reported_split,
    systems_by_base,
)
from tasks.pages.markdown_page import fill_template, markdown_table
from tasks.pages.report_tables import RESULTS_NOTE, compared
from tasks.use.exported_facts import ExportedFacts

MOST_SOURCES = 20


def model_card(facts: ExportedFacts, folder: str) -> str:
    """The card as Markdown, with its metadata in front.

    Args:
        facts: What is known of the model.
        folder: Name of the folder, for the example.
    """
    rows = facts.compared
    split = reported_split(rows) if rows else ""
    ratios = {
        corpus: markdown_table(systems_by_base(rows, "perplexity_ratio", corpus))
        for corpus in corpora_elsewhere(rows)
    }
    return fill_template(
        "tasks.use",
        "model_card.md.jinja",
        facts=facts,
        pipeline=facts.pipeline,
        folder=folder,
        metadata=_metadata(facts).to_yaml(),
        memdec=software_versions()["memdec"],
        measured=markdown_table(compared(facts.rows)),
        measured_note=RESULTS_NOTE,
        split=split,
        compared=markdown_table(systems_by_base(rows, "perplexity", split)),
        elsewhere=ratios,
        documents=markdown_table(
            {
                "split": name,
                "documents": f"{count:,}",
                "tokens": f"{_counts(facts.tokens, name)['tokens']:,}",
            }
            for name, count in _counts(facts.corpus, "documents").items()
        ),
        sources=_source_names(facts.corpus),
        MOST_SOURCES=MOST_SOURCES,
        audit=audit_sections(rows),
    )


def _metadata(facts: ExportedFacts) -> ModelCardData:
    licences = [facts.base_license, facts.pipeline.license]
    known = [*dict.fromkeys(licence for licence in licences if licence is not None)]
    metadata = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=facts.hub_model,
        language=facts.pipeline.language,
        tags=["memory-decoder", "memdec", facts.pipeline.name],
    )
    if None in licences:
        metadata["license"], metadata["license_name"] = "other", "unknown"
    else:
        metadata["license"] = known[0] if len(known) == 1 else known
    return metadata


def _source_names(corpus: Manifest) -> list[str]:
    """What the documents were read from, each once: names without their folders' paths."""
    contents = corpus.config.get("contents")
    assert isinstance(contents, dict)
    found: dict[str, None] = {}
    for sources in contents.values():
        assert isinstance(sources, list)
        for source in sources:
            assert isinstance(source, list)
            found[str(source[0])] = None
    return list(found)


def _counts(manifest: Manifest, figure: str) -> Mapping[str, JsonValue]:
    counts = manifest.figures[figure]
    assert isinstance(counts, dict)
    return counts
