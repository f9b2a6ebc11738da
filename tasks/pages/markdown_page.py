"""Pages as Markdown: sections of lines, tables, pictures by file name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

Section = Sequence[str]


def join_sections(sections: Iterable[Section]) -> str:
    """A page of the sections that have any line."""
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def picture_section(title: str, name: str, pictures: Sequence[str]) -> list[str]:
    """A picture, if its file is among those beside the page."""
    return [f"![{title}]({name})"] if name in pictures else []


def markdown_table(lines: Iterable[Mapping[str, object]], left: int = 1) -> Iterator[str]:
    """Lines of equal columns as a table, the first `left` columns to the left."""
    for place, line in enumerate(lines):
        if place == 0:
            yield markdown_row(*line)
            yield markdown_row(*["---"] * left, *["--:"] * (len(line) - left))
        yield markdown_row(*line.values())


def markdown_row(*cells: object) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
