from hypothesis import given
from hypothesis import strategies as st

from memdec_core.text.document_split import split_by_name

NAMES = [f"document {i}" for i in range(20_000)]


def test_shares_come_out_as_asked() -> None:
    splits = [split_by_name(name, 0.05, 0.1) for name in NAMES]
    assert abs(splits.count("valid") / len(NAMES) - 0.05) < 0.006
    assert abs(splits.count("test") / len(NAMES) - 0.1) < 0.008


@given(st.text(alphabet=st.characters(codec="utf-8")), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_larger_share_of_valid_never_moves_a_test_document(
    name: str, small: float, more: float
) -> None:
    small, large = sorted((small, more))
    with_small, with_large = split_by_name(name, small, 0.3), split_by_name(name, large, 0.3)
    assert (with_small == "test") == (with_large == "test")
    assert with_small != "valid" or with_large == "valid"


def test_a_share_of_zero_is_empty() -> None:
    assert {split_by_name(name, 0.0, 0.0) for name in NAMES} == {"train"}


def test_the_split_of_a_name_is_the_same_for_ever() -> None:
    splits = [split_by_name(f"canada/acts/{i}", 0.1, 0.1) for i in range(12)]
    assert "".join(split[:2] for split in splits) == "vatrtrtetrtrtetrtrtrtrtr"
