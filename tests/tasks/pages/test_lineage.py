import re

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_store import Store
from tasks.pages.lineage import MOST_NODES, lineage_graph, trace
from tests.support.artifacts import publish

GONE = ArtifactRef(stage="corpus", fingerprint="0" * 32)
NOTHING = {"all": (lambda _folder: None, {})}


def chain(store: Store, length: int) -> ArtifactRef:
    """Tokens of a corpus that is gone, then that many artifacts each made from the last."""
    ref = publish(store, "tokens", NOTHING, inputs={"corpus": GONE})
    for number in range(length):
        ref = publish(store, "scores", NOTHING, {"number": number}, {"before": ref})
    return ref


def test_the_graph_has_every_artifact_and_what_it_was_made_from(store: Store) -> None:
    last = chain(store, 3)
    graph = "\n".join(lineage_graph(trace([last], store.manifest), last))
    assert graph.count(" --> ") == 4
    assert f"style scores_{last.fingerprint[:12]} " in graph
    assert 'corpus_000000000000["corpus<br/>000000000000"]' in graph


def test_many_artifacts_are_drawn_by_stage(store: Store) -> None:
    last = chain(store, MOST_NODES)
    graph = "\n".join(lineage_graph(trace([last], store.manifest), last))
    edges = re.findall(r"(\w+) --> (\w+)", graph)
    assert edges == [("corpus", "tokens"), ("tokens", "scores")]
    assert f"scores<br/>{MOST_NODES} artifacts" in graph


def test_an_ancestor_that_is_gone_is_an_error_where_all_are_required(store: Store) -> None:
    with pytest.raises(MissingArtifact):
        trace([chain(store, 1)], store.require)
