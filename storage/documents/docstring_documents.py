"""Documents from an installed package: one per module, of the documentation its source carries.

Real prose about a domain, on every machine, without a network. Modules are parsed, never imported.
"""

import ast
import hashlib
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path

from storage.documents.document_records import Document, Fields, Reject, accept
from storage.documents.document_sources import PackageSource
from storage.documents.package_modules import module_files

MIN_CHARACTERS = 200  # of a module's documentation; less is a title, not a document
_NO_FIELDS = Fields(text="documentation", id="module")
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def read_docstrings(source: PackageSource) -> Iterator[Document | Reject]:
    """Yields one document per documented module, in the order of the modules' names.

    A passage that an earlier module of the package had already is left out: generated code
    repeats its docstrings a hundredfold.
    """
    seen: set[bytes] = set()
    for number, (name, path) in enumerate(module_files(source.package), start=1):
        try:
            passages = documentation(path)
        except (SyntaxError, ValueError, RecursionError, OSError) as error:
            yield Reject(source.name, number, "malformed Python", f"{name}: {error}")
            continue
        text = "\n\n".join(passage for passage in passages if _is_new(passage, seen))
        if len(text) >= MIN_CHARACTERS:
            yield accept(source.name, number, f"docstrings/{name}", text, _NO_FIELDS)


def documentation(path: Path) -> list[str]:
    """Collects a module's docstrings and long documentation strings, in the order of its lines.

    Returns:
        Passages without their common indentation; no empty ones.

    Raises:
        SyntaxError: It is not Python of this version.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's code
        tree = ast.parse(path.read_bytes())
    docstrings: set[ast.AST] = set()
    fragments: set[ast.AST] = set()
    constants: list[tuple[int, int, ast.Constant]] = []
    for node in ast.walk(tree):
        if isinstance(node, _Documented) and (docstring := _docstring(node)) is not None:
            docstrings.add(docstring)
        elif isinstance(node, ast.JoinedStr):
            fragments.update(node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            constants.append((node.lineno, node.col_offset, node))
    passages = []
    for _, _, constant in sorted(constants, key=lambda place: place[:2]):
        text = inspect.cleandoc(str(constant.value)).strip()
        is_prose = constant not in fragments and _is_prose(text)
        if text and (constant in docstrings or is_prose):
            passages.append(text)
    return passages


def _docstring(node: _Documented) -> ast.Constant | None:
    if node.body and isinstance(node.body[0], ast.Expr):
        value = node.body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value
    return None


def _is_prose(text: str) -> bool:
    """Whether a long string constant reads as documentation rather than as code or data."""
    if len(text) < 200 or "\n" not in text:
        return False
    words = sum(character.isalpha() or character.isspace() for character in text)
    code = sum(text.count(mark) for mark in "{};")
    return words >= 0.8 * len(text) and code <= 0.01 * len(text)


def _is_new(passage: str, seen: set[bytes]) -> bool:
    digest = hashlib.blake2b(passage.encode("utf-8", "replace"), digest_size=16).digest()
    is_new = digest not in seen
    seen.add(digest)
    return is_new
