"""What a person may want to run next, by stage, as lines of Markdown."""

from collections.abc import Iterator

from storage.objects.artifact_ref import ArtifactRef

_BY_STAGE = {
    "corpus": ("memdec plan PIPELINE.yaml", "what a changed document would rebuild"),
    "targets": (
        'memdec explain PIPELINE.yaml --prompt "…"',
        "which passages of the corpus carry a next token",
    ),
    "memory": (
        'memdec generate PIPELINE.yaml --prompt "…"',
        "base and base + memory side by side",
    ),
    "evaluation": ("memdec compare PIPELINE.yaml", "the memory beside kNN-LM, DAPT and LoRA"),
    "report": (
        'memdec generate PIPELINE.yaml --prompt "…"',
        "base and base + memory side by side",
    ),
    "comparison": ("memdec serve PIPELINE.yaml", "base and base + memory over HTTP"),
}


def next_commands(ref: ArtifactRef) -> Iterator[str]:
    """Commands that go on from an artifact."""
    if ref.stage in _BY_STAGE:
        command, why = _BY_STAGE[ref.stage]
        yield f"- `{command}`: {why}"
    yield f"- `memdec artifacts verify {ref}`: every byte against its checksum"
    yield f"- `memdec artifacts diff {ref} {ref.stage}/…`: what differs from another one"
