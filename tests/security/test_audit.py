import pytest

from tests.security.audit import report

FINE = {"name": "numpy", "version": "2.4", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "not found"}
KNOWN = {"name": "x", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


def test_an_audit_that_looked_everything_up_and_found_nothing_passes() -> None:
    assert report([FINE]) == 0


def test_a_known_vulnerability_fails_and_names_the_release_without_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report([FINE, KNOWN]) == 1
    assert "x 1: PYSEC-1, fixed: 1.1" in capsys.readouterr().out


def test_what_was_not_looked_up_is_never_taken_for_safe(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([SKIPPED]) == 1
    assert "NOT AUDITED: none of 1" in capsys.readouterr().out
    assert report([FINE, SKIPPED]) == 1
    assert "NOT AUDITED: torch" in capsys.readouterr().out
