"""Checks of configuration files as text, for what is lost once they have been read: keys that occur twice."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from puzzlecell.regular_file import file_problem

MAPPING = "expected a mapping: lines such as `seed: 2020`"


def file_text_problems(paths: Iterable[Path]) -> list[str]:
    """Return every problem of configuration files that does not depend on what their keys mean.

    These are files that are missing, not in UTF-8, not YAML, empty or not a mapping; keys that occur twice in the same
    mapping (YAML libraries keep the last one); and numbers that YAML 1.1, which is used here, reads as another number
    than they seem: `010` (octal: 8), `1:30` (base 60: 90), `1_6` (16).
    """
    return [f"{path}: {problem}" for path in paths for problem in _problems(path)]


def _problems(path: Path) -> Iterator[str]:
    problem = file_problem(path)
    if problem:
        yield problem
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        yield f"not in UTF-8: {error.reason} at byte {error.start}; save it as UTF-8"
    except OSError as error:
        yield f"cannot be opened: {error.strerror}"
    else:
        yield from _problems_of_text(text)


def _problems_of_text(text: str) -> Iterator[str]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        yield from _problems_of_json(text, error)
        return
    if node is None:
        yield f"the file is empty; {MAPPING}"
    elif not isinstance(node, yaml.MappingNode):
        yield f"found a {'list' if isinstance(node, yaml.SequenceNode) else 'single value'}; {MAPPING}"
    else:
        yield from _problems_of_node(node, [], set())
        yield from _problems_of_values(text)


def _problems_of_values(text: str) -> Iterator[str]:
    """A value that YAML allows but that cannot be read, such as a tag of Python or the date 2001-99-99."""
    try:
        yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        yield f"{error.problem}" + (f" in line {mark.line + 1}, column {mark.column + 1}" if mark else "")
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        yield f"a value cannot be read: {error}"


def _problems_of_node(node: yaml.Node, place: list[str], seen: set[int]) -> Iterator[str]:
    """Problems in a node and all nodes inside it. seen: nodes done, as aliases can lead to one again."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[object, int] = {}
        for key, value in node.value:
            name, line = _key(key), key.start_mark.line + 1
            inside = [*place, str(key.value)]
            if name in lines:
                yield f"{'.'.join(inside)}: this key is in line {lines[name]} and again in line {line}; keep one"
            lines.setdefault(name, line)
            yield from _problems_of_node(key, inside, seen)
            yield from _problems_of_node(value, inside, seen)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _problems_of_node(value, [*place, str(number)], seen)
    elif node.style is None and _is_misleading(node):
        number = SafeConstructor().construct_object(node)
        line = node.start_mark.line + 1
        yield f"{'.'.join(place)}: {node.value} in line {line} is read as {number}; write a plain decimal number"


def _is_misleading(node: yaml.Node) -> bool:
    """Whether a number without quotes has underscores or is in another base than ten or sixteen."""
    if node.tag == "tag:yaml.org,2002:int":
        return re.fullmatch(r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+)", node.value) is None
    return node.tag == "tag:yaml.org,2002:float" and re.search("[_:]", node.value) is not None


def _key(node: yaml.Node) -> object:
    """The key as Python sees it, so that `1` and `0x1` are the same key, but not `1` and `'1'`."""
    try:
        return SafeConstructor().construct_object(node) if isinstance(node, yaml.ScalarNode) else id(node)
    except (yaml.YAMLError, ValueError):
        return node.tag, node.value


def _problems_of_json(text: str, error: yaml.YAMLError) -> Iterator[str]:
    """Problems of a text that is not YAML, but may be JSON, which may contain tabs."""
    repeated: list[str] = []

    def note_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=note_repeated)
    except ValueError:
        mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        yield f"not YAML: {' '.join(what.split())}{where}"
        return
    if not isinstance(found, dict):
        yield f"found a {'list' if isinstance(found, list) else 'single value'}; {MAPPING}"
    yield from (f"{key}: this key occurs twice in the same mapping; keep one" for key in repeated)
