"""A naming pattern for a list of files: which part of their names is the channel, which the ID.

The pattern is one of `datasets.<ds>.naming`: groups in braces, `*` for text without a meaning.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from puzzlecell.data.ids import id_problem
from puzzlecell.data.raw_files import IMAGE_ENDINGS
from puzzlecell.propose.channel_words import STAINS, meaning
from puzzlecell.propose.known_names import known_layout
from puzzlecell.propose.name_parts import Candidate, Named, candidates, template
from puzzlecell.propose.pattern import matched_files
from puzzlecell.runtime.messages import first_few

UNDECIDED = "DECIDE"
"""In place of a channel that the names do not tell: no such file exists, so that nothing runs before it is decided."""
_MOST_CHANNELS = 12
_LOOKED_AT = 4000
_RANKS = {"sure": 3, "dye": 2, "numbered": 1, "nothing": 0}


@dataclass(frozen=True)
class NamingProposal:
    """A proposal, and what a person has to look at.

    naming: the pattern. id_form: how the ID is made of its groups; None: `{ID}`, or all groups with underscores between
    them. words: what stands for `{channel}` in the names, in their order; none: the files have several channels each,
    or there is one channel. channels: for red, green, blue and yellow the word, `UNDECIDED`, or None for a channel that
    the files do not have. files: by word (or "" without words), of each field. left_out: files that the pattern does
    not match. questions: what the names do not tell, in words.
    """

    naming: str
    id_form: str | None
    words: tuple[str, ...]
    channels: dict[str, str | None]
    files: dict[str, dict[str, str]]
    left_out: tuple[str, ...] = ()
    questions: tuple[str, ...] = field(default=())


def extension(name: str) -> str | None:
    """Return the ending of an image file as it is written, such as `.ome.tif`; None for other files."""
    ending = next((ending for ending in IMAGE_ENDINGS if name.lower().endswith(ending)), None)
    return None if ending is None else name[-len(ending) :]


def propose_naming(names: Iterable[str | os.PathLike], *, several_channels: bool = False) -> NamingProposal:
    """Propose a pattern for files, given by their paths below the folder of images, with slashes.

    several_channels: whether a file has more than one channel; the names need not tell channels apart then. Raises
    ValueError if there is no image among them.
    """
    every = sorted(os.fspath(name) for name in names)
    chosen, ending, questions = _of_one_kind(every)
    # Neighbours in the order of their names belong together, so the first ones tell enough.
    chosen = chosen[:_LOOKED_AT]
    named = known_layout(chosen, ending) or _by_parts(chosen, ending, several_channels, questions)
    questions += named.questions
    found = matched_files(named.naming, named.id_form, named.words, every)
    files = {field_id: {word: paths[0] for word, paths in given.items()} for field_id, given in found.items()}
    matched = {path for given in found.values() for paths in given.values() for path in paths}
    left_out = [name for name in every if extension(name) and name not in matched]
    if left_out:
        questions.append(f"{len(left_out)} images do not fit the pattern: {first_few(left_out, 3)}")
    channels = _channels(named.words, questions)
    _check_fields(found, named.words, questions)
    return NamingProposal(
        named.naming,
        named.id_form,
        named.words,
        channels,
        files,
        tuple(left_out),
        tuple(dict.fromkeys(questions)),
    )


def _of_one_kind(every: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """The images with the commonest ending and depth of folders, without thumbnails."""
    images = [name for name in every if extension(name)]
    if not images:
        raise ValueError(f"no image among {len(every)} files; expected {', '.join(IMAGE_ENDINGS)}")
    questions = []
    thumbs = [name for name in images if "_thumb" in name.lower()]
    if thumbs and len(thumbs) < len(images):
        questions.append(
            f"{len(thumbs)} files look like thumbnails, such as {thumbs[0]}; move them elsewhere"
        )
        images = [name for name in images if name not in set(thumbs)]
    kinds = Counter((extension(name), name.count("/")) for name in images)
    (ending, depth), _ = kinds.most_common(1)[0]
    if len(kinds) > 1:
        shown = first_few(
            (f"{ending} {'in folders ' * bool(depth)}({n})" for (ending, depth), n in kinds.items()), 4
        )
        questions.append(f"images of several kinds: {shown}; the commonest is proposed")
    return (
        [name for name in images if (extension(name), name.count("/")) == (ending, depth)],
        str(ending),
        questions,
    )


def _by_parts(names: Sequence[str], ending: str, several: bool, questions: list[str]) -> Named:
    """The part of the names that tells the channels apart, by its words and by how it divides the files."""
    scored = []
    for candidate in candidates(names, ending):
        values = dict.fromkeys(candidate.values)
        fields = len(set(candidate.rests))
        said = [meaning(value) for value in values]
        known = {word.channel for word in said if word.channel}
        # Two known channels tell what the others are: `mask` beside `red` and `green`.
        rank = min(_RANKS[word.how] for word in said if word.channel or len(known) < 2)
        if len(values) > _MOST_CHANNELS or (fields == len(names) and rank == 0):
            continue
        complete = len(names) / (fields * len(values))
        scored.append((rank, len(known), complete, -abs(len(values) - 4), candidate))
    scored.sort(key=lambda entry: entry[:-1], reverse=True)
    good = [entry for entry in scored if entry[0] > 0 and entry[2] > 0.5]
    if not good and not several:
        # Only numbers, as in `a_1.tif` to `a_4.tif`: channels, or sites.
        good = [entry for entry in scored if entry[2] == 1 and 2 <= len(set(entry[-1].values)) <= 5]
        if good:
            questions.append(
                f"{first_few(dict.fromkeys(good[0][-1].values), 5)} may be channels, or something else such as sites"
            )
    if good:
        rivals = {entry[-1].naming_key for entry in good if entry[:3] == good[0][:3]}
        if len(rivals) > 1:
            questions.append(
                "more than one part of the names could be the channel; look at the contact sheet"
            )
        return template(good[0][-1], ending)
    return template(Candidate.nothing(names), ending)


def _channels(words: Sequence[str], questions: list[str]) -> dict[str, str | None]:
    if not words:
        return dict.fromkeys(STAINS, UNDECIDED)
    said = {word: meaning(word) for word in words}
    found: dict[str, str | None] = {}
    for channel in STAINS:
        own = [word for word in words if said[word].channel == channel]
        sure = [word for word in own if said[word].how == "sure"]
        own = sure if len(sure) == 1 else own
        if len(own) == 1:
            found[channel] = own[0]
            if said[own[0]].how == "dye":
                questions.append(f"{own[0]} is taken for {channel} ({STAINS[channel]}), by its dye")
        elif own:
            found[channel] = UNDECIDED
            questions.append(f"{' and '.join(own)} could all be {channel} ({STAINS[channel]})")
    unused = [word for word in words if word not in found.values()]
    if not found:
        questions.append(f"which of {', '.join(words)} is red, green, blue and yellow?")
        return dict.fromkeys(STAINS, UNDECIDED)
    for channel, stain in STAINS.items():
        if channel in found:
            continue
        # Without a protein or nuclei there is nothing to predict.
        none_left = not unused and channel in ("red", "yellow")
        found[channel] = None if none_left else UNDECIDED
        if none_left:
            questions.append(f"there is no channel for {channel} ({stain}); it is black in the proposal")
        else:
            which = f"which of {', '.join(unused)} is" if unused else "there is nothing for"
            questions.append(f"{which} {channel} ({stain})?")
    if unused and UNDECIDED not in found.values():
        questions.append(f"not used: {', '.join(unused)}")
    return {channel: found[channel] for channel in STAINS}


def _check_fields(
    found: Mapping[str, Mapping[str, Sequence[str]]], words: Sequence[str], questions: list[str]
) -> None:
    """Ask about fields that lack a channel or have it twice, and about IDs that cannot be used."""
    short = [field_id for field_id, files in found.items() if len(files) < len(words)]
    if short:
        has = ", ".join(found[short[0]])
        questions.append(f"{len(short)} of {len(found)} fields lack a channel; {short[0]} has {has} only")
    twice = [paths for files in found.values() for paths in files.values() if len(paths) > 1]
    if twice:
        questions.append(
            f"{len(twice)} channels have more than one file, such as {' and '.join(twice[0][:2])}"
        )
    wrong = [(field_id, problem) for field_id in found if (problem := id_problem(field_id))]
    if wrong:
        questions.append(
            f"{len(wrong)} IDs cannot be used: {wrong[0][0]!r} {wrong[0][1]}; rename these files"
        )
