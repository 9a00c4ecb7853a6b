"""What is proposed for a folder: naming, channels, pixel size, and what a person has to look at."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from puzzlecell.data.image_file import ImageError, read_plane
from puzzlecell.errors import UserError
from puzzlecell.propose.channel_words import STAINS, meaning
from puzzlecell.propose.contact_sheet import SheetColumn
from puzzlecell.propose.images import ImageFacts, image_facts, plane
from puzzlecell.propose.name_parts import ONE_FIELD
from puzzlecell.propose.naming import UNDECIDED, NamingProposal, extension, propose_naming

Place = str | int | dict[str, int] | None
"""A word of the file names, the number of a channel, `{page: 0}`, `UNDECIDED`, or None if there is none."""


@dataclass(frozen=True)
class FolderProposal:
    """A proposal for a folder.

    facts: of its first image. channels: where red, green, blue and yellow are. of_names: what a person has to look at
    in the names and channels.
    """

    folder: Path
    naming: NamingProposal
    facts: ImageFacts
    channels: dict[str, Place]
    of_names: tuple[str, ...]

    @property
    def unclear(self) -> list[str]:
        """What makes it doubtful which of these images is what."""
        return [question for question in self.of_names if question != ONE_FIELD]

    @property
    def questions(self) -> tuple[str, ...]:
        """All that a person has to look at or to add."""
        if self.facts.pixel_size_um is not None:
            return self.of_names
        return (
            *self.of_names,
            "the files do not say how large a pixel is: set pixel_size_um, in micrometres",
        )

    @property
    def decided(self) -> bool:
        """Whether all channels are known."""
        return UNDECIDED not in self.channels.values()


def propose(folder: Path, leave_out: Path | None = None) -> FolderProposal:
    """Look at the names of all files of a folder and into the first image. Raises UserError if there is none.

    leave_out: a folder in it that is not looked into, such as that of a run.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; expected one with images")
    names = list(_files(folder, leave_out))
    images = [name for name in names if extension(name)]
    if not images:
        raise UserError(f"{folder}: no image among its {len(names)} files; expected PNG, TIFF or JPEG")
    try:
        facts = image_facts(folder / images[0])
    except ImageError as error:
        raise UserError(f"the first image cannot be read: {error}") from error
    naming = propose_naming(names, several_channels=facts.channels > 1)
    questions = list(naming.questions)
    channels: dict[str, Place] = dict(naming.channels)
    if not naming.words:
        channels = _in_file(naming, facts, questions)
    return FolderProposal(folder, naming, facts, channels, tuple(dict.fromkeys(questions)))


def sheet_columns(proposal: FolderProposal) -> list[SheetColumn]:
    """Columns of the contact sheet: red, green, blue and yellow, or what the files have, if one is not decided."""
    if proposal.decided:
        return [
            SheetColumn(_in_words(place) if place is not None else "-", channel)
            for channel, place in proposal.channels.items()
        ]
    known = {_in_words(place): channel for channel, place in proposal.channels.items() if place is not None}
    return [SheetColumn(_in_words(place), known.get(_in_words(place))) for place in _every_place(proposal)]


def sheet_images(proposal: FolderProposal, most: int = 6) -> dict[str, list[np.ndarray | str | None]]:
    """Images (H, W) of some fields, evenly spaced in their order, for each column; a text where one cannot be read."""
    ids = sorted(proposal.naming.files)
    chosen = [ids[number * len(ids) // min(most, len(ids))] for number in range(min(most, len(ids)))]
    places = list(proposal.channels.values()) if proposal.decided else _every_place(proposal)
    return {field_id: [_image(proposal, field_id, place) for place in places] for field_id in chosen}


def _image(proposal: FolderProposal, field_id: str, place: Place) -> np.ndarray | str | None:
    if place is None:
        return None
    files = proposal.naming.files[field_id]
    name = files.get(place if isinstance(place, str) else "")
    if name is None:
        return "missing"
    path = proposal.folder / name
    number = place["page"] if isinstance(place, dict) else place
    try:
        return read_plane(
            plane(path, proposal.facts, number) if isinstance(number, int) else plane(path, _ONE, 0)
        )
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")


_ONE = ImageFacts()


def _every_place(proposal: FolderProposal) -> Sequence[Place]:
    if proposal.naming.words:
        return proposal.naming.words
    count = proposal.facts.channels
    return [{"page": number} for number in range(count)] if proposal.facts.pages else list(range(count))


def _in_words(place: Place) -> str:
    if isinstance(place, dict):
        return f"page {place['page']}"
    return f"channel {place}" if isinstance(place, int) else str(place)


def _in_file(naming: NamingProposal, facts: ImageFacts, questions: list[str]) -> dict[str, Place]:
    """Channels of files with several: by their names in the metadata, or the colours of a picture."""
    every = [{"page": number} if facts.pages else number for number in range(facts.channels)]
    colours = [colour for colour in STAINS if f"_{colour}" in naming.naming]
    names = ["red", "green", "blue"] if facts.channels == 3 and len(colours) > 1 else list(facts.names)
    if facts.channels == 1:
        questions.append("each file is one greyscale image, and no part of the names tells channels apart")
        return dict.fromkeys(STAINS, UNDECIDED)
    if len(names) != facts.channels or not any(meaning(name).channel for name in names):
        shown = f" ({', '.join(names)})" if names else ""
        questions.append(
            f"each file has {facts.channels} channels{shown}: which is red, green, blue and yellow?"
        )
        return dict.fromkeys(STAINS, UNDECIDED)
    found: dict[str, Place] = {}
    for channel, stain in STAINS.items():
        own = [number for number, name in enumerate(names) if meaning(name).channel == channel]
        if len(own) == 1:
            found[channel] = every[own[0]]
            if meaning(names[own[0]]).how == "dye":
                questions.append(f"{names[own[0]]} is taken for {channel} ({stain}), by its dye")
        elif not own and channel in ("red", "yellow") and all(meaning(name).channel for name in names):
            found[channel] = None
            questions.append(f"there is no channel for {channel} ({stain}); it is black in the proposal")
        else:
            found[channel] = UNDECIDED
            questions.append(f"which of {', '.join(names)} is {channel} ({stain})?")
    return found


def _files(folder: Path, leave_out: Path | None) -> Iterator[str]:
    """Paths of all files below a folder, with slashes; hidden ones and folders of results are left out."""
    other = None if leave_out is None else leave_out.absolute()
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name != "results" and Path(place, name).absolute() != other
        )
        below = Path(place).relative_to(folder).as_posix()
        for name in sorted(files):
            if not name.startswith("."):
                yield name if below == "." else f"{below}/{name}"
