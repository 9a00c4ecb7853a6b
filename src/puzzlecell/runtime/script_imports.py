"""Which files of the library a script is made of, found without running anything.

Snakemake reruns a rule when its script changes, but does not see what the script imports.
"""

import ast
import os
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def library_files(script: str | os.PathLike) -> list[str]:
    """Paths of all modules of this package that `script` imports, directly or through others, sorted."""
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        for module in _imported(waiting.pop()):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return sorted(str(path) for path in found)


@lru_cache
def _imported(path: Path) -> frozenset[Path]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(file for name in names for file in _module_files(name))


def _module_files(name: str) -> list[Path]:
    """Files that `import name` runs: those of the packages on the way and of the module itself."""
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
