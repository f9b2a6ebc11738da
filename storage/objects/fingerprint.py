"""What an artifact is made of, as 32 hex digits."""

import json
import math
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path

from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import MissingSource


def fingerprint(
    stage: str,
    format_version: int,
    identity: Mapping[str, JsonValue],
    inputs: Mapping[str, ArtifactRef],
) -> str:
    """The name of the artifact that these make: the same for the same, different otherwise.

    Args:
        stage: Stage of the artifact.
        format_version: Version of the stage's files and of its method.
        identity: The configuration that decides the result: no paths, hosts, devices or times.
        inputs: Artifacts it is made from, by role.

    Returns:
        The first 32 hex digits of the SHA-256 of their canonical JSON.

    Raises:
        TypeError: Something has no canonical form; the message holds its path.
    """
    described: dict[str, object] = {
        "stage": stage,
        "format_version": format_version,
        "config": dict(identity),
        "inputs": {role: ref.fingerprint for role, ref in inputs.items()},
    }
    return sha256(canonical_json(described).encode()).hexdigest()[:32]


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces, floats by `repr`: equal values, equal text.

    Raises:
        TypeError: A type without a canonical form, subclasses of those that have one included
            (NumPy scalars, enumerations); NaN and infinities; a key that is no string.
    """
    _refuse_unstable(value, "")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _refuse_unstable(value: object, path: str) -> None:
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"{path or 'value'}: key {key!r} is no string")
            _refuse_unstable(item, f"{path}.{key}" if path else key)
    elif type(value) is list:
        for position, item in enumerate(value):
            _refuse_unstable(item, f"{path}[{position}]")
    elif not _is_stable(value):
        raise TypeError(
            f"{path or 'value'}: {value!r} ({type(value).__name__}) has no canonical form"
        )


def _is_stable(value: object) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in {bool, int, str}


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Raises:
        MissingSource: There is no such file.
    """
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingSource(f"{path}: no such file; correct the path") from error
