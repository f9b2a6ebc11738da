"""The page of releases: what is in production, and every decision with its reason."""

from storage.objects.artifact_ref import ArtifactRef
from storage.store.production import Action, Decision, Release
from tasks.pages.release_page import SHOWN, release_page


def decision(action: Action, digit: str, why: str) -> Decision:
    refs = (ArtifactRef(stage=s, fingerprint=digit * 32) for s in ("base_model", "memory"))
    base, memory = refs
    evaluation = ArtifactRef(stage="evaluation", fingerprint=digit * 32)
    return Decision(
        action=action,
        release=Release(base=base, memory=memory, evaluation=evaluation),
        artifacts=[],
        who="flow run Build the memory of law (1)",
        why=why,
        when="2026-11-26T20:15:00.000+00:00",
    )


def test_a_candidate_is_named_with_what_kept_it_back_beside_what_is_in_production() -> None:
    page = release_page(
        "law",
        [
            decision("promoted", "1", "all 4 checks passed"),
            decision("kept_back", "2", "perplexity on general is 2, the limit is 1.05 | sic"),
        ],
    )
    assert (
        "The newest decision: `memory/222222222222` was **kept back**, it stays a candidate: "
        "perplexity on general is 2" in page
    )
    assert "In production: `memory/111111111111`, since 2026-11-26T20:15 UTC." in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| 2", "| 1"]
    assert r"the limit is 1.05 \| sic" in rows[1]


def test_a_first_candidate_leaves_production_empty() -> None:
    page = release_page("law", [decision("kept_back", "1", "worse than the base")])
    assert "Nothing is in production yet." in page


def test_a_long_history_shows_its_newest_decisions_with_their_numbers() -> None:
    page = release_page("law", [decision("promoted", "1", f"why {n}") for n in range(1, 50)])
    assert "| 49 |" in page
    assert f"| {50 - SHOWN} |" in page
    assert f"| {49 - SHOWN} |" not in page
