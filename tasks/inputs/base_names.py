"""What base models are called in tables and plots."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

from memdec_core.models.model_loading import describe_model
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store

Role = TypeVar("Role", bound=Hashable)


def name_bases(store: Store, refs: Mapping[Role, ArtifactRef]) -> dict[Role, str]:
    """Names that a person recognises: a hub id, or kind and size; never two the same.

    Args:
        store: Where the models are.
        refs: Base models by role or number.

    Returns:
        Names by the same.
    """
    names: dict[Role, str] = {}
    for role, ref in refs.items():
        hub_model = store.require(ref).config.get("hub_model")
        model = describe_model(store.only(ref).folder())
        name = str(hub_model or f"{model['architecture']}-{_size(model['parameters'])}")
        names[role] = f"{name}-{ref.fingerprint[:6]}" if name in names.values() else name
    return names


def _size(parameters: object) -> str:
    assert isinstance(parameters, int)
    for unit, factor in (("B", 10**9), ("M", 10**6)):
        if parameters >= factor:
            return f"{parameters / factor:.3g}{unit}"
    return f"{parameters / 1000:.3g}k"
