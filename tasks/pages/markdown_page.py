"""Pages as Markdown: filled templates, sections of lines, tables, pictures by file name."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

Section = Sequence[str]


def fill_template(package: str, name: str, **values: object) -> str:
    """A page of the Jinja template that lies in a package.

    Args:
        package: Where the template is, such as `tasks.use`.
        name: Its file name.
        values: What it names; iterators are lines, which are joined.
    """
    return _templates(package).get_template(name).render(values)


@functools.cache
def _templates(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package, ""),
        autoescape=select_autoescape(),  # which leaves Markdown alone
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_lines_joined,
    )


def _lines_joined(value: object) -> object:
    return "\n".join(value) if isinstance(value, Iterator) else value


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


def in_cell(text: str) -> str:
    """Anybody's text as one cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
