"""Ends a text before the first of some strings, wherever the pieces of the text are cut."""

from collections.abc import Sequence


class StopStrings:
    """Lets text through up to a stop string, and holds back what may be the start of one.

    Of several stop strings the one that is complete first counts; if two are at once, the longer.

    Args:
        stops: Strings that end the text and are no part of it, none empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.found = False

    def push(self, text: str) -> str:
        """The text that is certain by now: all but a possible start of a stop string."""
        self._held += text
        ends = [
            (start + len(stop), start)
            for stop in self._stops
            if (start := self._held.find(stop)) >= 0
        ]
        if ends:
            self.found = True
            return self._release(min(ends)[1])
        return self._release(len(self._held) - self._longest_start())

    def end(self) -> str:
        """What was held back when the text ends without a stop string."""
        return "" if self.found else self._release(len(self._held))

    def _release(self, length: int) -> str:
        released, self._held = self._held[:length], self._held[length:]
        return released

    def _longest_start(self) -> int:
        """Length of the longest end of the held text that a stop string begins with."""
        longest = min(max(map(len, self._stops), default=1) - 1, len(self._held))
        for length in range(longest, 0, -1):
            ending = self._held[-length:]
            if any(stop.startswith(ending) for stop in self._stops):
                return length
        return 0
