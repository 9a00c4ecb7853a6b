"""Digest of the library code that determines a script's result.

Snakemake reruns a rule when its script changes, but does not see what the script imports. The digest covers the meaning
of the code: the syntax trees of the script and of all modules of this package that it imports, without docstrings,
comments, type hints and descriptions of settings. The folder `runtime/` (logs, progress, devices) is left out, because
it affects no result.
"""

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
RUNTIME = PACKAGE / "runtime"


@cache
def code_digest(script: str | os.PathLike, modules: tuple[str, ...] = ()) -> str:
    """Return 16 hex digits that change when the meaning of the code behind a script changes.

    modules: names of modules that the script imports dynamically, by names taken from its settings.
    """
    digest = hashlib.sha256(_meaning(Path(script)).encode())
    for path in library_files(script, modules):
        digest.update(f"\n{Path(path).relative_to(PACKAGE)} {_meaning(Path(path))}".encode())
    return digest.hexdigest()[:16]


def library_files(script: str | os.PathLike, modules: Iterable[str] = ()) -> list[str]:
    """Return the sorted paths of all modules of this package that `script` imports, directly or indirectly.

    modules: further modules to include, with their imports. The folder `runtime/` is left out.
    """
    found: set[Path] = set()
    waiting = {*_imported(Path(script)), *(file for name in modules for file in _module_files(name))}
    while waiting:
        module = waiting.pop()
        if RUNTIME not in module.parents:
            found.add(module)
            waiting |= _imported(module) - found
    return sorted(map(str, found))


@cache
def _imported(path: Path) -> frozenset[Path]:
    return frozenset(file for name in _read(path)[1] for file in _module_files(name))


def _module_files(name: str) -> list[Path]:
    """Files that `import name` executes: those of the parent packages and of the module itself."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return []
    files, folder = [PACKAGE / "__init__.py"], PACKAGE
    for part in parts[1:]:
        if (folder / part / "__init__.py").is_file():
            folder = folder / part
            files.append(folder / "__init__.py")
        elif (folder / f"{part}.py").is_file():
            files.append(folder / f"{part}.py")
            break
        else:
            break
    return files


def _meaning(path: Path) -> str:
    return _read(path)[0]


@cache
def _read(path: Path) -> tuple[str, frozenset[str]]:
    """The meaning of a module as text, and the names of all modules that it may import."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return _dump(tree), frozenset(_imported_names(tree))


def _imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        if node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    else:
        # Statements alone can contain imports; expressions are most of a tree.
        for name in _BLOCKS:
            for inner in getattr(node, name, ()):
                yield from _imported_names(inner)


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_HINTS = {ast.arg: "annotation", ast.FunctionDef: "returns"}


def _dump(node: object, in_class: bool = False) -> str:
    """A syntax tree as text, without what affects no result; empty if nothing is left of it.

    in_class: whether the node is a statement of a class body, where annotations stay, since pydantic and dataclasses
    read them. Empty fields are left out, because these differ between versions of Python.
    """
    if isinstance(node, list):
        return f"[{','.join(filter(None, [_dump(part, in_class) for part in node]))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.AnnAssign) and not in_class:
        if node.value is None:
            return ""
        node = ast.Assign(targets=[node.target], value=node.value)
    elif _is_text(node) or (isinstance(node, ast.keyword) and node.arg == "description"):
        return ""
    kind = type(node)
    hint, has_class_body = _HINTS.get(kind), kind is ast.ClassDef
    fields = []
    for name in kind._fields:
        value = getattr(node, name, None)
        if value is not None and name != hint:
            text = _dump(value, has_class_body and name == "body")
            if text and text != "[]":
                fields.append(f"{name}={text}")
    return f"{kind.__name__}({','.join(fields)})"


def _is_text(node: ast.AST) -> bool:
    """Whether a node is a docstring or another string statement."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
