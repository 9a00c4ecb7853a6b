"""Digest of the library code that determines a script's result.

Snakemake reruns a rule when its script changes, but does not see what the script imports. The digest covers the meaning
of the code: the syntax trees of the script and of all modules of this package that it imports, without docstrings,
comments, type hints and descriptions of settings. The folder `runtime/` (logs, progress, devices) is left out, because
it affects no result.
"""

import ast
import hashlib
import os
from collections.abc import Iterable
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
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(file for name in names for file in _module_files(name))


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


@cache
def _meaning(path: Path) -> str:
    return _dump(_Stripped().visit(_tree(path)))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _dump(node: object) -> str:
    """A syntax tree as text, without empty fields, because these differ between versions of Python."""
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_dump(value)}" for name, value in ast.iter_fields(node) if value not in (None, [])
        ]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    return repr(node)


class _Stripped(ast.NodeTransformer):
    """Removes what affects no result. Annotations in class bodies stay, since pydantic and dataclasses read them."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop docstrings and other string statements."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop the type hint of an argument."""
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop the return type."""
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Keep the annotations in the class body."""
        parts = [
            self.generic_visit(part) if isinstance(part, ast.AnnAssign) else self.visit(part)
            for part in node.body
        ]
        node.body = [part for part in parts if isinstance(part, ast.stmt)]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Drop the type hint of a variable."""
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_keyword(self, node: ast.keyword) -> ast.AST | None:
        """Drop descriptions of settings."""
        return None if node.arg == "description" else self.generic_visit(node)
