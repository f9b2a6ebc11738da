"""Records: paths that could leave their folder are refused, also when read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.objects.manifest import FileEntry, parse_record, safe_path
from storage.objects.store_errors import DamagedArtifact, UnsafeName


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "a/../b", "a/..", "./a", "a//b", "a/", "a\\b", "a\nb", "a#1", "%2e"],
)
def test_a_path_that_could_leave_its_folder_is_refused(path: str) -> None:
    with pytest.raises(UnsafeName):
        safe_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", "c/0/0", "zarr.json", ".zgroup", "a b/ü (1).txt"])
def test_an_ordinary_path_is_accepted(path: str) -> None:
    assert safe_path(path) == path


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b.c"]), min_size=1, max_size=5))
def test_an_accepted_path_never_climbs(parts: list[str]) -> None:
    climbs = any(part in {"", ".", ".."} for part in parts)
    try:
        safe_path("/".join(parts))
    except UnsafeName:
        assert climbs
    else:
        assert not climbs


def test_a_record_with_a_climbing_path_counts_as_damaged() -> None:
    data = b'{"path": "../../x", "size": 1, "sha256": "' + b"0" * 64 + b'"}'
    with pytest.raises(DamagedArtifact, match="here: not a record"):
        parse_record(FileEntry, data, "here")
