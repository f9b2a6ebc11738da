"""The sliding-window perplexity loop of the Hugging Face guide, one token at a time."""


def sliding_windows(
    lengths: list[int], length: int, stride: int, scope: str
) -> list[tuple[int, int, list[int]]]:
    """List (start, end, scored positions) per window over documents of the given lengths.

    Written from the guide's `begin_loc` / `end_loc` / `prev_end_loc` loop, not from our code:
    `target_len = end_loc - prev_end_loc` tokens at a window's end are targets, and the shift of
    labels by one drops a sequence's first token.
    """
    sequences = lengths if scope == "document" else [sum(lengths)]
    windows = []
    offset = 0
    for seq_len in sequences:
        prev_end_loc = 0
        for begin_loc in range(0, seq_len, stride):
            end_loc = min(begin_loc + length, seq_len)
            target_len = end_loc - prev_end_loc
            labels = range(end_loc - target_len, end_loc)
            scored = [offset + p for p in labels if p > begin_loc]
            if scored:
                windows.append((offset + begin_loc, offset + end_loc, scored))
            prev_end_loc = end_loc
            if end_loc == seq_len:
                break
        offset += seq_len
    return windows
