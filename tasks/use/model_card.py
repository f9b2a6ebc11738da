"""The card of an exported model: what it is, how to use it, what was measured, what it is not."""

from collections.abc import Iterator, Mapping

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
from tasks.pages.markdown_page import markdown_table
from tasks.pages.report_tables import RESULTS_NOTE, compared
from tasks.use.exported_facts import ExportedFacts

UNKNOWN = "unknown"
MOST_SOURCES = 20
PAPER = """```bibtex
@article{cao2025memorydecoder,
  title   = {Memory Decoder: A Pretrained, Plug-and-Play Memory for Large Language Models},
  author  = {Cao, Jiaqi and Wang, Jiarui and Wei, Rubin and Guo, Qipeng and Chen, Kai and
             Zhou, Bowen and Lin, Zhouhan},
  journal = {arXiv preprint arXiv:2508.09874},
  year    = {2025}
}
```"""
COMPARED_NOTE = (
    "Perplexity per token on the {split} split with its confidence interval, of this memory and of "
    "what one would do without it. What has a weight was tuned on the validation split alone."
)
NOT_AUDITED = (
    "- What the memory has learnt by heart was not audited: it may reproduce passages of its "
    "training documents word for word."
)


def model_card(facts: ExportedFacts, folder: str) -> str:
    """The card as Markdown, with its metadata in front.

    Args:
        facts: What is known of the model.
        folder: Name of the folder, for the example.
    """
    sections = [
        [f"# {facts.base_name} with a memory of {facts.pipeline.name}", "", *_introduction(facts)],
        ["## Use", "", *_use(folder, routed=facts.router is not None)],
        ["## Measured", "", *markdown_table(compared(facts.rows)), "", RESULTS_NOTE],
        *_comparison(facts),
        ["## Documents", "", *_documents(facts)],
        ["## Licences", "", *_licences(facts)],
        ["## Limits", "", *_limits(facts)],
        *audit_sections(facts.compared),
        ["## Provenance", "", *_provenance(facts)],
        ["## Citation", "", PAPER],
    ]
    text = "\n\n".join("\n".join(section) for section in sections)
    return f"---\n{_metadata(facts).to_yaml()}\n---\n\n{text}\n"


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
        metadata["license"], metadata["license_name"] = "other", UNKNOWN
    else:
        metadata["license"] = known[0] if len(known) == 1 else known
    return metadata


def _introduction(facts: ExportedFacts) -> Iterator[str]:
    base = f"[{facts.hub_model}](https://huggingface.co/{facts.hub_model})"
    yield (
        f"A frozen base model ({base if facts.hub_model else facts.base_name}) and a **Memory "
        "Decoder** ([arXiv 2508.09874](https://arxiv.org/abs/2508.09874)), a small transformer "
        "trained to imitate a kNN retriever over a corpus, as one model of transformers: "
        f"p = α · p_memory + (1 - α) · p_base, here with α = {facts.alpha:g}. The base's weights "
        "are unchanged."
    )
    if facts.alpha != facts.tuned_alpha:
        yield ""
        yield (
            f"This α was set by hand. The one tuned on the validation split, which the tables "
            f"below are of, is {facts.tuned_alpha:g}."
        )


def _use(folder: str, *, routed: bool) -> Iterator[str]:
    version = software_versions()["memdec"]
    yield f"Needs memdec {version} or newer, where the model's code is."
    yield ""
    yield "```python"
    yield "import memdec_core.joint  # makes the model known to transformers"
    yield "from transformers import AutoModelForCausalLM, AutoTokenizer"
    yield ""
    yield f'tokenizer = AutoTokenizer.from_pretrained("{folder}")'
    yield f'model = AutoModelForCausalLM.from_pretrained("{folder}")'
    yield 'prompt = tokenizer("The", add_special_tokens=False, return_tensors="pt")'
    yield "for alpha in (None, 0.0):  # None is the weight above, 0 the base alone"
    yield "    tokens = model.generate(**prompt, max_new_tokens=40, alpha=alpha)"
    yield "    print(tokenizer.decode(tokens[0]))"
    yield "```"
    yield ""
    yield (
        "Without the first line, `trust_remote_code=True` does the same. "
        "`dtype=torch.float32` gives exactly the probabilities that were measured, whatever type "
        "the weights are stored in."
    )
    if routed:
        yield ""
        yield (
            'With `alpha="router"` the weight is chosen anew for every token, as measured under '
            "*+ memory, adaptive α*."
        )


def _comparison(facts: ExportedFacts) -> Iterator[list[str]]:
    if not facts.compared:
        return
    split = reported_split(facts.compared)
    table = markdown_table(systems_by_base(facts.compared, "perplexity", split))
    yield ["## Compared", "", *table, "", COMPARED_NOTE.format(split=split)]
    for corpus in corpora_elsewhere(facts.compared):
        ratios = markdown_table(systems_by_base(facts.compared, "perplexity_ratio", corpus))
        yield [
            f"Ratio of the perplexity to the base's on another corpus, {corpus} (below 1 is "
            "better):",
            "",
            *ratios,
        ]


def _documents(facts: ExportedFacts) -> Iterator[str]:
    yield from markdown_table(
        {
            "split": split,
            "documents": f"{count:,}",
            "tokens": f"{_counts(facts.tokens, split)['tokens']:,}",
        }
        for split, count in _counts(facts.corpus, "documents").items()
    )
    names = source_names(facts.corpus)
    shown = ", ".join(f"`{name}`" for name in names[:MOST_SOURCES])
    more = f" and {len(names) - MOST_SOURCES:,} more" if len(names) > MOST_SOURCES else ""
    yield ""
    yield f"From {shown}{more}. Fingerprint of the corpus: `{facts.corpus.ref.fingerprint}`."


def source_names(corpus: Manifest) -> list[str]:
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


def _licences(facts: ExportedFacts) -> Iterator[str]:
    yield f"- Base model: {facts.base_license or UNKNOWN}"
    yield f"- Documents that the memory was trained on: {facts.pipeline.license or UNKNOWN}"
    if None in (facts.base_license, facts.pipeline.license):
        yield ""
        yield "Find out what is unknown here before you pass this model on."


def _limits(facts: ExportedFacts) -> Iterator[str]:
    yield (
        "- The memory knows the documents above and nothing later or else; off its domain it can "
        "make the base worse"
        + (
            " (see the ratios above)."
            if corpora_elsewhere(facts.compared)
            else ", which was not measured."
        )
    )
    yield (
        "- α is one number for all tokens; another text may want another one: pass `alpha` to "
        "`generate()`."
    )
    if not audit_sections(facts.compared):
        yield NOT_AUDITED


def _provenance(facts: ExportedFacts) -> Iterator[str]:
    yield (
        f"Made by memdec {software_versions()['memdec']} from the pipeline "
        f"`{facts.pipeline.name}`: memory `{facts.pipeline.memory.fingerprint}`, base "
        f"`{facts.base.fingerprint}`. `provenance.json` has the fingerprints of all artifacts that "
        "it was made from, and the software."
    )


def _counts(manifest: Manifest, figure: str) -> Mapping[str, JsonValue]:
    counts = manifest.figures[figure]
    assert isinstance(counts, dict)
    return counts
