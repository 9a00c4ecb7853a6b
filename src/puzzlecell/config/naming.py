"""How the image files of a data set are named, and what the channels are called in them.

A pattern has groups in braces: `{plate}/{well}_s{site}_{channel}.tif`. A group stands for any text without a slash, or
for what matches its regular expression: `{well,[A-P][0-9]+}`. An asterisk stands for any text that means nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from puzzlecell.config.base import Section

CHANNELS = ("red", "green", "blue", "yellow")
ChannelName = Literal["red", "green", "blue", "yellow"]
DEFAULT_NAMING = "{ID}_{channel}.png"

_GROUP = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:,(.*))?", re.DOTALL).fullmatch
_ANYTHING = "[^/]+"


class ChannelPlace(Section):
    """Where a channel is, if a name or a number is not enough."""

    name: str | None = Field(
        None,
        min_length=1,
        description="What `{channel}` is in the names of its files. null: the files have several channels.",
    )
    page: int | None = Field(
        None, ge=0, description="Page of the TIFF, counted from 0. null: the file has one page."
    )
    channel: int | None = Field(
        None, ge=0, description="Channel of the image, counted from 0. null: the image has one channel."
    )
    same_as: ChannelName | None = Field(
        None, description="Take the image of another channel. null: the channel has its own."
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> "ChannelPlace":
        own = [name for name in ("name", "page", "channel") if getattr(self, name) is not None]
        if self.same_as is not None and own:
            raise ValueError(f"same_as and {own[0]} exclude each other")
        if self.same_as is None and not own:
            raise ValueError("give a name, a page, a channel or same_as; null in place of the section: black")
        return self


def _as_section(value: object) -> object:
    """The section that a name or a number stands for."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return {"channel": value}
    if value is None or isinstance(value, (dict, ChannelPlace)):
        return value
    raise ValueError(
        f"found {value!r}; expected a name in the files, a number of a channel from 0, a section such as {{page: 0}} "
        "or {same_as: red}, or null for a black channel"
    )


ChannelGiven = Annotated[
    ChannelPlace | None,
    BeforeValidator(_as_section, json_schema_input_type=str | int | ChannelPlace | None),
]
"""Where a channel is: in a configuration also a name or a number; None: it is black."""


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a pattern that stands for text. name: "" for an asterisk."""

    name: str
    expression: str = _ANYTHING


@dataclass(frozen=True)
class Layout:
    """How images are found. channels: for red, green, blue and yellow. explicit: whether the user gave the pattern."""

    naming: str = DEFAULT_NAMING
    id_form: str | None = None
    channels: tuple[ChannelPlace | None, ...] = tuple(ChannelPlace(name=name) for name in CHANNELS)
    explicit: bool = field(default=False, compare=False)

    @property
    def names(self) -> dict[str, str]:
        """Name in the files of each channel that has one of its own."""
        return {
            channel: place.name
            for channel, place in zip(CHANNELS, self.channels, strict=True)
            if place is not None and place.name is not None
        }


def places(given: Mapping[ChannelName, ChannelPlace | None]) -> tuple[ChannelPlace | None, ...]:
    """Places of red, green, blue and yellow. Channels that are not given are named as here."""
    found: dict[str, ChannelPlace | None] = {name: ChannelPlace(name=name) for name in CHANNELS}
    return tuple((found | dict(given)).values())


@lru_cache(maxsize=64)
def parsed(pattern: str) -> tuple[str | Group, ...]:
    """Return the literal texts and the groups of a pattern. Raises ValueError saying what is wrong with it."""
    parts: list[str | Group] = []
    text, place = "", 0
    while place < len(pattern):
        sign = pattern[place]
        if sign == "}":
            raise ValueError(f"{pattern!r} has a closing brace without an opening one")
        if sign not in "{*":
            text, place = text + sign, place + 1
            continue
        parts += [text] if text else []
        text = ""
        if sign == "*":
            parts.append(Group("", "[^/]*"))
            place += 1
            continue
        end = _closing(pattern, place)
        parts.append(_group(pattern, pattern[place + 1 : end]))
        place = end + 1
    return (*parts, text) if text else tuple(parts)


def group_names(pattern: str) -> list[str]:
    """Names of the groups of a pattern, each once, in order; asterisks have none. Raises ValueError as `parsed`."""
    names = [part.name for part in parsed(pattern) if isinstance(part, Group) and part.name]
    return list(dict.fromkeys(names))


def expression(pattern: str, names: Mapping[str, str]) -> str:
    """Regular expression of the whole path below the folder of images. names: those of the channels in the files."""
    found, seen = "", set()
    for part in parsed(pattern):
        if isinstance(part, str):
            found += re.escape(part)
        elif not part.name:
            found += part.expression
        elif part.name in seen:
            found += f"(?P={part.name})"
        else:
            seen.add(part.name)
            inner = part.expression
            if part.name == "channel":
                # The longest first, so that one name may begin another.
                inner = "|".join(map(re.escape, sorted(set(names.values()), key=len, reverse=True)))
            found += f"(?P<{part.name}>{inner})"
    return found


def folder_expressions(pattern: str) -> list[str]:
    """Regular expressions of the names of the folders on the way to the images, from the outermost."""
    levels = [""]
    for part in parsed(pattern):
        if isinstance(part, Group):
            levels[-1] += f"(?:{part.expression})"
            continue
        first, *others = part.split("/")
        levels[-1] += re.escape(first)
        levels += map(re.escape, others)
    return levels[:-1]


def filled(pattern: str, value: Callable[[str], str]) -> str:
    """The pattern with a value in place of each group; asterisks stay."""
    return "".join(
        part if isinstance(part, str) else value(part.name) if part.name else "*" for part in parsed(pattern)
    )


def naming_problem(naming: str, id_form: str | None, channels: tuple[ChannelPlace | None, ...]) -> str | None:
    """Return why images cannot be found by these settings, beginning with the name of the setting; None if they can."""
    try:
        groups = group_names(naming)
    except ValueError as error:
        return f"naming: {error}"
    levels = filled(naming, lambda name: name).split("/")
    if naming.startswith("/") or not all(levels) or {".", ".."} & set(levels) or "\\" in filled(naming, str):
        return f"naming: {naming!r} must be a path below the folder of images, such as {DEFAULT_NAMING}"
    if set(groups) <= {"channel"}:
        return f"naming: {naming!r} has no group that tells the fields apart; expected at least {{ID}}"
    problem = _id_problem(naming, id_form, groups)
    return problem or _channel_problem(naming, channels, "channel" in groups)


def _id_problem(naming: str, id_form: str | None, groups: list[str]) -> str | None:
    if id_form is None:
        return None
    if "ID" in groups:
        return f"ID: {id_form!r} is given, but naming has a group {{ID}}; remove one of the two"
    try:
        used = group_names(id_form)
    except ValueError as error:
        return f"ID: {error}"
    unknown = [name for name in used if name not in groups or name == "channel"]
    if unknown or not used or "*" in filled(id_form, str):
        others = ", ".join(f"{{{name}}}" for name in groups if name != "channel")
        return f"ID: {id_form!r} must be made of groups of naming: {others}"
    return None


def _channel_problem(naming: str, channels: tuple[ChannelPlace | None, ...], named: bool) -> str | None:
    if not any(place is not None and place.same_as is None for place in channels):
        return "channels: no channel has an image of its own"
    seen: dict[ChannelPlace, str] = {}
    for channel, place in zip(CHANNELS, channels, strict=True):
        key = f"channels.{channel}"
        if place is None:
            continue
        if place.same_as is not None:
            other = channels[CHANNELS.index(place.same_as)]
            if other is None or other.same_as is not None:
                return f"{key}: {place.same_as} has no image of its own; name a channel that has one"
            continue
        if named and place.name is None:
            return (
                f"{key}: naming has a group {{channel}}, so a name is expected, what the group is in the files of "
                f"{channel}; a name that looks like a number must be in quotes"
            )
        if not named and place.name is not None:
            return (
                f"{key}: naming {naming!r} has no group {{channel}}; say which channel of the file it is "
                f"(`{channel}: 0`), which page (`{channel}: {{page: 0}}`), `{channel}: {{same_as: ...}}`, or "
                f"`{channel}: null` for a black channel"
            )
        if place in seen:
            return (
                f"{key}: the same image as {seen[place]}; if this is meant, write {{same_as: {seen[place]}}}"
            )
        seen[place] = channel
    return _whole_and_part(seen) if named else None


def _whole_and_part(found: Mapping[ChannelPlace, str]) -> str | None:
    """Problem: a file is the image of one channel, and another channel is a part of it."""
    whole = {
        place.name: channel
        for place, channel in found.items()
        if place.page is None and place.channel is None
    }
    for place, channel in found.items():
        other = whole.get(place.name, channel)
        if other != channel:
            return (
                f"channels.{channel}: a page or a channel of the file of {other}, for which none is named; name it "
                f"for both, or write {{same_as: {other}}}"
            )
    return None


def _closing(pattern: str, start: int) -> int:
    """Place of the brace that closes the one at `start`: a regular expression may contain pairs of braces."""
    depth = 0
    for place in range(start, len(pattern)):
        depth += (pattern[place] == "{") - (pattern[place] == "}")
        if depth == 0:
            return place
    raise ValueError(f"{pattern!r} has an opening brace that is never closed")


def _group(pattern: str, text: str) -> Group:
    found = _GROUP(text)
    if not found:
        raise ValueError(
            f"{pattern!r} has a group {{{text}}}; expected a name of letters, digits and underscores, such as {{well}} "
            "or {well,[A-P][0-9]+}"
        )
    name, given = found.groups()
    if given is None:
        return Group(name)
    if name == "channel":
        raise ValueError(
            f"{pattern!r}: {{channel}} takes no regular expression; name the channels in `channels`"
        )
    try:
        compiled = re.compile(given)
        # As it is used: inside a larger expression, where flags such as (?i) are not allowed.
        re.compile(f"(?:{given})")
    except re.error as error:
        raise ValueError(f"{pattern!r}: {given!r} is not a regular expression: {error}") from error
    if compiled.groups or "/" in given or not given:
        raise ValueError(f"{pattern!r}: {given!r} must have no slash and no groups but (?:...)")
    return Group(name, f"(?:{given})")
