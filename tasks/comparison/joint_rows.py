"""Puts the rows of several comparisons under common names of bases and corpora."""

from collections.abc import Mapping

from pydantic import JsonValue

from memdec_core.scoring.system_name import SystemName
from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from tasks.inputs.scored_systems import base_models
from tasks.pages.compared.domains_tables import joint_bases
from tasks.pages.report_tables import Rows

JointRow = dict[str, JsonValue]


def joint_rows(store: Store, comparisons: Mapping[str, ArtifactRef]) -> list[JointRow]:
    """All rows, each with its corpus; what is the same model or corpus is called the same.

    Args:
        store: Where the comparisons are, and the artifacts they were made from.
        comparisons: By corpus.

    Returns:
        The comparisons' columns and `corpus`. Base models are matched by fingerprint; two that
        share a name are told apart by a corpus. A corpus elsewhere that is another comparison's
        own has that one's name.
    """
    tables = {corpus: RESULTS.read(store.only(ref)) for corpus, ref in comparisons.items()}
    manifests = {corpus: store.require(ref) for corpus, ref in comparisons.items()}
    bases = _joint_names(
        {corpus: _models(store, manifests[corpus], rows) for corpus, rows in tables.items()}
    )
    owners = {
        fingerprint: corpus
        for corpus, manifest in manifests.items()
        if (fingerprint := _corpus_of(store, manifest.inputs.get("tokens")))
    }
    found: list[JointRow] = []
    for corpus, rows in tables.items():
        splits = _elsewhere(store, manifests[corpus], owners)
        for row in rows:
            base, split = row["base"], str(row["split"])
            named: JointRow = {
                "base": base if base is None else bases[corpus][str(base)],
                "split": splits.get(split, split),
            }
            found.append({"corpus": corpus} | row | named)
    return found


def _models(store: Store, manifest: Manifest, rows: Rows) -> dict[str, str]:
    """What identifies the bases of a comparison, by their name in it: a fingerprint, or the name.

    The table has its bases in the order of their numbers.
    """
    names = joint_bases(rows)
    models = [ref.fingerprint for ref in base_models(store, manifest.inputs).values()]
    return dict(zip(names, models if len(models) == len(names) else names, strict=True))


def _joint_names(models: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Names by corpus and by name in its comparison; different models are never called the same."""
    name_of: dict[str, str] = {}
    for corpus, by_name in models.items():
        for name, model in by_name.items():
            taken = name in name_of.values()
            name_of.setdefault(model, f"{name} ({corpus})" if taken else name)
    return {
        corpus: {name: name_of[model] for name, model in by_name.items()}
        for corpus, by_name in models.items()
    }


def _elsewhere(store: Store, manifest: Manifest, owners: Mapping[str, str]) -> dict[str, str]:
    """Names of the corpora elsewhere that are another comparison's own."""
    return {
        name.corpus: owners.get(_corpus_of(store, manifest.inputs[name.role]) or "", name.corpus)
        for name in SystemName.among(manifest.inputs, "tokens")
        if name.corpus
    }


def _corpus_of(store: Store, tokens: ArtifactRef | None) -> str | None:
    """Fingerprint of the corpus that tokens were made from, if the store knows them."""
    manifest = None if tokens is None else store.manifest(tokens)
    corpus = None if manifest is None else manifest.inputs.get("corpus")
    return None if corpus is None else corpus.fingerprint
