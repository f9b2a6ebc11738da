"""Windows against the sliding-window loop, and what must hold for any documents."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from memdec_core.windows.windows import WindowConfig, make_windows, n_rows
from tests.oracles.windows_oracle import sliding_windows

document_lengths = st.lists(
    st.one_of(st.integers(0, 3), st.integers(0, 40), st.integers(0, 400)), min_size=0, max_size=12
)
scopes = st.sampled_from(["document", "stream"])


@st.composite
def configs(draw: st.DrawFn) -> WindowConfig:
    length = draw(st.integers(2, 40))
    return WindowConfig(length=length, stride=draw(st.integers(1, length - 1)), scope=draw(scopes))


def offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@given(document_lengths, configs())
@example([], WindowConfig())
@example([0], WindowConfig())
@example([1], WindowConfig())
@example([1, 1], WindowConfig(scope="stream"))
@example([2], WindowConfig())
@example([1024, 1025, 1536, 1537, 0, 5000], WindowConfig())
@example([1024, 1025, 1536, 1537, 0, 5000], WindowConfig(scope="stream"))
def test_windows_are_those_of_the_sliding_window_guide(
    lengths: list[int], config: WindowConfig
) -> None:
    windows = make_windows(offsets(lengths), config)
    got = [(s, e, list(range(f, e))) for s, f, e, _ in windows.tolist()]
    assert got == sliding_windows(lengths, config.length, config.stride, config.scope)


@given(document_lengths, configs())
def test_every_token_but_a_sequence_s_first_is_scored_once_and_in_order(
    lengths: list[int], config: WindowConfig
) -> None:
    offsets_D1 = offsets(lengths)
    windows_W4 = make_windows(offsets_D1, config)
    scored = [p for _, first, end, _ in windows_W4.tolist() for p in range(first, end)]
    openers = set(offsets_D1.tolist()) if config.scope == "document" else {0}
    assert scored == [p for p in range(sum(lengths)) if p not in openers]
    rows = [row + i for _, f, e, row in windows_W4.tolist() for i in range(e - f)]
    assert rows == list(range(n_rows(offsets_D1, config.scope)))


@given(document_lengths, configs())
def test_windows_fit_the_model_and_keep_to_one_document(
    lengths: list[int], config: WindowConfig
) -> None:
    offsets_D1 = offsets(lengths)
    for start, first, end, _ in make_windows(offsets_D1, config).tolist():
        assert start < first < end <= start + config.length
        if config.scope == "document":
            document = int(np.searchsorted(offsets_D1, start, side="right")) - 1
            assert end <= offsets_D1[document + 1]


@given(document_lengths, configs())
def test_scored_tokens_have_length_minus_stride_of_context_unless_near_a_start(
    lengths: list[int], config: WindowConfig
) -> None:
    offsets_D1 = offsets(lengths)
    openers = set(offsets_D1.tolist()) if config.scope == "document" else {0}
    for start, first, _, _ in make_windows(offsets_D1, config).tolist():
        assert first - start >= config.length - config.stride or start in openers


@given(document_lengths, configs(), configs())
def test_rows_depend_on_the_scope_and_not_on_length_and_stride(
    lengths: list[int], one: WindowConfig, other: WindowConfig
) -> None:
    def row_of_position(config: WindowConfig) -> dict[int, int]:
        windows = make_windows(offsets(lengths), config.model_copy(update={"scope": one.scope}))
        return {f + i: row + i for _, f, e, row in windows.tolist() for i in range(e - f)}

    assert row_of_position(one) == row_of_position(other)


@given(document_lengths, document_lengths, configs())
def test_windows_of_a_document_do_not_depend_on_the_documents_before_it(
    before: list[int], lengths: list[int], config: WindowConfig
) -> None:
    config = config.model_copy(update={"scope": "document"})
    n_before = len(make_windows(offsets(before), config))
    after = make_windows(offsets(before + lengths), config)[n_before:]
    tokens, rows = sum(before), n_rows(offsets(before), "document")
    alone = make_windows(offsets(lengths), config)
    np.testing.assert_array_equal(after - [tokens, tokens, tokens, rows], alone)


def test_the_paper_s_protocol_scores_the_last_512_of_1024() -> None:
    windows = make_windows(np.array([0, 2000]), WindowConfig())
    assert windows.tolist() == [[0, 1, 1024, 0], [512, 1024, 1536, 1023], [1024, 1536, 2000, 1535]]
    assert windows.dtype == np.int64


def test_a_stride_that_would_leave_tokens_without_context_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"stride .512. must be smaller than length .512."):
        WindowConfig(length=512, stride=512)
    with pytest.raises(ValidationError):
        WindowConfig(length=1)


def test_a_hundred_million_tokens_are_cut_without_a_loop_over_documents() -> None:
    rng = np.random.default_rng(0)
    offsets_D1 = offsets(rng.integers(0, 1000, 200_000).tolist())
    windows = make_windows(offsets_D1, WindowConfig(length=256, stride=128))
    assert int((windows[:, 2] - windows[:, 1]).sum()) == n_rows(offsets_D1, "document")
