"""Which artifact was made from which: read from manifests, drawn as a mermaid graph."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest

MOST_NODES = 24
"""Artifacts that a graph shows one by one; of more, one node per stage."""

_THEME = '%%{init: {"theme": "neutral", "flowchart": {"nodeSpacing": 25, "rankSpacing": 35}}}%%'
_MARKED = "fill:#1f4e79,stroke:#1f4e79,color:#ffffff"


def trace(
    refs: Iterable[ArtifactRef], read: Callable[[ArtifactRef], Manifest | None]
) -> dict[ArtifactRef, Manifest]:
    """Manifests of artifacts and of everything they were made from, however indirectly.

    Args:
        refs: Where to begin.
        read: `Store.require`, or `Store.manifest` to pass over artifacts that are gone.
    """
    found: dict[ArtifactRef, Manifest] = {}
    seen: set[ArtifactRef] = set()
    waiting = list(refs)
    while waiting:
        ref = waiting.pop()
        if ref in seen:
            continue
        seen.add(ref)
        manifest = read(ref)
        if manifest is not None:
            found[ref] = manifest
            waiting += manifest.inputs.values()
    return found


def lineage_graph(
    lineage: Mapping[ArtifactRef, Manifest], marked: ArtifactRef | None = None
) -> Iterator[str]:
    """A mermaid graph from top to bottom, which stays readable in a narrow column.

    Args:
        lineage: Manifests of the artifacts to draw; what they name and is not among them is
            drawn too.
        marked: The artifact that the page is about.
    """
    edges = {(source, ref) for ref in lineage for source in lineage[ref].inputs.values()}
    refs = sorted({*lineage, *(source for source, _ in edges)}, key=str)
    single = len(refs) <= MOST_NODES
    node: Callable[[ArtifactRef], str] = _node if single else _stage_of
    labels = {node(ref): _label(ref) for ref in refs} if single else _stage_labels(refs)
    yield "```mermaid"
    yield _THEME
    yield "flowchart TB"
    for name, label in labels.items():
        yield f'    {name}["{label}"]'
    for source, target in sorted({(node(source), node(ref)) for source, ref in edges}):
        if source != target:
            yield f"    {source} --> {target}"
    if marked is not None:
        yield f"    style {node(marked)} {_MARKED}"
    yield "```"


def _node(ref: ArtifactRef) -> str:
    return f"{ref.stage}_{ref.fingerprint[:12]}"


def _stage_of(ref: ArtifactRef) -> str:
    return ref.stage


def _label(ref: ArtifactRef) -> str:
    return f"{ref.stage.replace('_', ' ')}<br/>{ref.fingerprint[:12]}"


def _stage_labels(refs: Iterable[ArtifactRef]) -> dict[str, str]:
    counts = Counter(ref.stage for ref in refs)
    return {
        stage: stage.replace("_", " ") + (f"<br/>{count} artifacts" if count > 1 else "")
        for stage, count in counts.items()
    }
