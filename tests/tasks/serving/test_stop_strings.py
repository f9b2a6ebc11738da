from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.serving.stop_strings import StopStrings

TEXT = st.text("ab.", max_size=30)
STOPS = st.lists(st.text("ab.", min_size=1, max_size=5), max_size=4)


def cut_by_hand(text: str, stops: list[str]) -> str:
    """Reads one character after the other until the text read so far ends with a stop string."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))]
    return text


def pieces_of(text: str, stops: list[str], cuts: list[int]) -> tuple[list[str], bool]:
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    holder, pieces = StopStrings(stops), []
    for start, end in pairwise(edges):
        pieces.append(holder.push(text[start:end]))
        if holder.found:
            break
    return [*pieces, holder.end()], holder.found


@given(TEXT, STOPS, st.lists(st.integers(0, 30), max_size=8))
def test_pieces_are_the_whole_text_cut_at_the_first_stop(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    pieces, found = pieces_of(text, stops, cuts)
    assert "".join(pieces) == cut_by_hand(text, stops)
    assert found == any(stop in text for stop in stops)


@given(TEXT, STOPS)
def test_no_more_is_held_back_than_may_begin_a_stop_string(text: str, stops: list[str]) -> None:
    holder, released = StopStrings(stops), ""
    for count, character in enumerate(text, start=1):
        released += holder.push(character)
        if holder.found:
            break
        held = text[len(released) : count]
        assert held == "" or any(stop.startswith(held) for stop in stops)


def test_without_stop_strings_nothing_is_held() -> None:
    holder = StopStrings(())
    assert holder.push("some text") == "some text"
    assert (holder.end(), holder.found) == ("", False)
