"""Channels as one text of the command line: `red=tub,green=prot,blue=dapi,yellow=zero`."""

import re
import shlex
from collections.abc import Mapping
from typing import Any, get_args

from puzzlecell.config.naming import CHANNELS, ChannelName
from puzzlecell.errors import UserError

BLACK, SAME, PAGE = ("zero", "null"), "same:", "page:"
EXPECTED = (
    "expected CHANNEL=WHAT with commas between, such as red=tub,green=prot,blue=dapi,yellow=zero; WHAT is the name in "
    "the files, the number of a channel from 0, page:0, same:red, or zero for a black channel"
)


def parsed_channels(text: str, *, named: bool) -> dict[ChannelName, Any]:
    """Return the value of `datasets.<ds>.channels` that a text stands for.

    named: whether channels have names in the files, so that a number is a name, too. Raises UserError.
    """
    found: dict[ChannelName, Any] = {}
    for part in text.split(","):
        name, separator, value = part.partition("=")
        channel = next((known for known in get_args(ChannelName) if known == name.strip()), None)
        value = value.strip()
        if not separator or not value or channel is None:
            raise UserError(f"--channels: found {part!r}; {EXPECTED}")
        if channel in found:
            raise UserError(f"--channels: {channel} is given twice")
        found[channel] = _place(value, named)
    return found


def _place(value: str, named: bool) -> Any:
    if value in BLACK:
        return None
    if value.startswith(SAME):
        if value.removeprefix(SAME) not in CHANNELS:
            raise UserError(f"--channels: found {value!r}; expected same: with one of {', '.join(CHANNELS)}")
        return {"same_as": value.removeprefix(SAME)}
    page = re.fullmatch(rf"{PAGE}([0-9]{{1,6}})", value)
    if page:
        return {"page": int(page[1])}
    return int(value) if not named and re.fullmatch(r"[0-9]{1,6}", value) else value


def channels_text(channels: Mapping[Any, Any]) -> str:
    """The text that `parsed_channels` reads; names with commas have none."""
    return ",".join(f"{channel}={_shown(place)}" for channel, place in channels.items())


def _shown(place: Any) -> str:
    if place is None:
        return BLACK[0]
    if isinstance(place, Mapping):
        return f"{SAME}{place['same_as']}" if "same_as" in place else f"{PAGE}{place['page']}"
    return str(place)


def naming_options(naming: str, id_form: str | None, channels: Mapping[Any, Any]) -> str:
    """Options of `puzzlecell predict`, quoted for a shell."""
    given = [
        "--naming",
        naming,
        *(["--id", id_form] if id_form else []),
        "--channels",
        channels_text(channels),
    ]
    return shlex.join(given)
