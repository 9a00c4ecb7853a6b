"""The text of a proposed configuration, with comments where a person has to decide."""

import json
import re
import shlex
import textwrap
from collections.abc import Sequence

from puzzlecell.config.channel_option import naming_options
from puzzlecell.propose.channel_words import STAINS
from puzzlecell.propose.naming import UNDECIDED
from puzzlecell.propose.proposal import FolderProposal

_FIELDS_PER_SHARD = 250

_MODEL = """
# The model. Whoever has a bundle needs nothing of this file, only the images and the bundle (docs/annotate.md):
#   {command}
# To train, add data sets with the role train (docs/usage.md), and take models and ensemble from config/config.yaml.
models:
  ready:
    stages:
      stage1:
        # {undecided}: the weights of each fold, as files .safetensors; and below, how many folds there are.
        checkpoints: "{undecided}/fold{{fold}}.safetensors"

folds: {{count: 2}}

ensemble:
  members:
    - {{model: ready, stage: stage1, step: 1}}
    - {{model: ready, stage: stage1, step: 2}}
"""


def configuration_text(proposal: FolderProposal, sheet: str) -> str:
    """Return the configuration as YAML. sheet: name of the contact sheet, for the comments."""
    naming, facts = proposal.naming, proposal.facts
    shown = _quoted(str(proposal.folder.absolute()))
    lines = [
        f"# Proposed by `puzzlecell init`. Compare it with {sheet}, and look for {UNDECIDED}: nothing runs before that",
        "# is replaced. All keys are explained in docs/configuration.md.",
        f"# Found: {summary(proposal)}.",
    ]
    if proposal.questions:
        lines += ["#", "# Please check:"]
        lines += [line for question in proposal.questions for line in _bullet(question)]
    lines += [
        "classes: config/classes.csv",
        "",
        "datasets:",
        f"  {dataset_name(proposal)}:",
        "    role: test  # predicted; the roles train, additional and holdout need labels",
        f"    images: {shown}",
        f"    naming: {_quoted(naming.naming)}",
    ]
    lines += [f"    ID: {_quoted(naming.id_form)}"] if naming.id_form else []
    lines.append("    channels:")
    for channel, place in proposal.channels.items():
        comment = STAINS[channel]
        if place is None:
            comment += (
                "; no such channel: black. Or {same_as: " + ("yellow" if channel == "red" else "red") + "}"
            )
        elif place == UNDECIDED:
            comment = f"{UNDECIDED}: {STAINS[channel]}; {_choices(proposal)}, or null for a black channel"
        lines.append(f"      {channel}: {_value(place)}  # {comment}")
    if facts.pixel_size_um is None:
        lines.append(
            f"    pixel_size_um: {UNDECIDED}  # micrometres per pixel; 0.08 in the Human Protein Atlas"
        )
    else:
        lines.append(f"    # The metadata of the files say {facts.pixel_size_um:g} um; to overrule them:")
        lines.append(f"    # pixel_size_um: {facts.pixel_size_um:g}")
    lines.append(f"    shards: {max(1, min(64, len(naming.files) // _FIELDS_PER_SHARD))}")
    return "\n".join(lines) + "\n" + _MODEL.format(undecided=UNDECIDED, command=predict_command(proposal))


def summary(proposal: FolderProposal) -> str:
    """What was found, in one line."""
    facts, fields = proposal.facts, len(proposal.naming.files)
    several = (
        f", {facts.channels} {'pages' if facts.pages else 'channels'} in a file" if facts.channels > 1 else ""
    )
    pixel = f", pixels of {facts.pixel_size_um:g} um" if facts.pixel_size_um else ""
    fields_shown = f"{fields} field{'s' * (fields != 1)}"
    return f"{fields_shown}; the first image has {facts.width} x {facts.height} pixels, {facts.depth}{several}{pixel}"


def described(proposal: FolderProposal, questions: Sequence[str]) -> list[str]:
    """The proposal in lines, with questions about it."""
    lines = [f"{proposal.folder}: {summary(proposal)}", f"naming: {proposal.naming.naming}"]
    lines += [f"ID: {proposal.naming.id_form}"] if proposal.naming.id_form else []
    for channel, place in proposal.channels.items():
        lines.append(f"    {channel}: {'no such channel: black' if place is None else place}")
    if questions:
        lines += ["please check:", *(f"    {question}" for question in questions)]
    return lines


def predict_options(proposal: FolderProposal) -> str:
    """Options of `puzzlecell predict` that say what the proposal says."""
    return naming_options(proposal.naming.naming, proposal.naming.id_form, proposal.channels)


def predict_command(proposal: FolderProposal) -> str:
    """The command that annotates the folder with a bundle."""
    pixel = "" if proposal.facts.pixel_size_um else f" --pixel-size {UNDECIDED}"
    folder = shlex.quote(str(proposal.folder))
    return f"puzzlecell predict {folder} --model BUNDLE --output RESULTS {predict_options(proposal)}{pixel}"


def dataset_name(proposal: FolderProposal) -> str:
    """Name of the data set, made of the name of the folder."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", proposal.folder.absolute().name).strip("_-")
    return plain or "images"


def _choices(proposal: FolderProposal) -> str:
    if proposal.naming.words:
        return f"one of {', '.join(proposal.naming.words)}"
    if proposal.facts.pages:
        return f"{{page: 0}} to {{page: {proposal.facts.channels - 1}}}"
    return f"0 to {proposal.facts.channels - 1}" if proposal.facts.channels > 1 else "0 for the only channel"


def _value(place: object) -> str:
    if isinstance(place, dict):
        return "{page: " + str(place["page"]) + "}"
    if isinstance(place, str):
        return place if re.fullmatch(r"[A-Za-z][A-Za-z]+", place) and place != "null" else _quoted(place)
    return "null" if place is None else str(place)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bullet(text: str) -> list[str]:
    return textwrap.wrap(
        text, 116, initial_indent="#   - ", subsequent_indent="#     ", break_long_words=False
    )
