"""The images given to `puzzlecell predict`: under the default names, those of its options, or as they are found."""

from pathlib import Path

from puzzlecell.bundle.images import Names, NoImagesError, OwnImages, find_images, table_of
from puzzlecell.config.channel_option import naming_options, parsed_channels
from puzzlecell.config.naming import group_names
from puzzlecell.errors import UserError
from puzzlecell.propose.configuration import described
from puzzlecell.propose.naming import UNDECIDED
from puzzlecell.propose.proposal import FolderProposal, propose


def own_images(
    images: Path, output: Path, *, naming: str | None, id_form: str | None, channels: str | None
) -> OwnImages:
    """Find the fields of a folder or table. naming, id_form, channels: options of the command.

    Without a pattern, a folder is looked at with the default one, and if this finds no complete field, a pattern is
    proposed, which is used if nothing about it is unclear. output: folder of the run, which may be inside the other.
    Raises UserError, also if a person has to decide, and ValidationError (of pydantic).
    """
    if id_form is not None and naming is None:
        raise UserError("--id: needs --naming, whose groups it is made of")
    given = Names(naming, id_form, _channels(channels, naming), "as given" if naming or channels else "")
    if UNDECIDED in given.channels.values():
        raise UserError(f"--channels: replace {UNDECIDED} by what the channel is in the files")
    of_table = table_of(images, given) is not None
    # Pages have no place in the default pattern.
    in_pages = any(isinstance(place, dict) and "page" in place for place in given.channels.values())
    if naming is not None or of_table or not in_pages:
        try:
            return find_images(images, given)
        except NoImagesError:
            if naming is not None or of_table:
                raise
    proposal = propose(images, leave_out=output)
    found = proposal.naming
    places = {**proposal.channels, **_channels(channels, found.naming)}
    if proposal.unclear or UNDECIDED in places.values():
        raise UserError("\n".join(_unclear(proposal, places)))
    return find_images(images, Names(found.naming, found.id_form, places, "found by looking at the files"))


def _channels(text: str | None, naming: str | None) -> dict:
    if text is None:
        return {}
    try:
        named = naming is None or "channel" in group_names(naming)
    except ValueError:
        # Said where the pattern is used.
        named = False
    return dict(parsed_channels(text, named=named))


def _unclear(proposal: FolderProposal, places: dict) -> list[str]:
    """Lines that say what is not clear, and the options that would make it so."""
    options = naming_options(proposal.naming.naming, proposal.naming.id_form, places)
    replaced = f", with {UNDECIDED} replaced" if UNDECIDED in places.values() else ""
    return [
        f"{proposal.folder}: it is not clear which image is what, so nothing was started",
        *described(proposal, proposal.unclear),
        f"if this is right, add{replaced}:",
        f"    {options}",
        "the command `puzzlecell init` draws a contact sheet of the channels",
    ]
