"""What channels are called in the names of files and in metadata."""

import re
from dataclasses import dataclass
from typing import Literal

STAINS = {
    "red": "microtubules",
    "green": "the protein",
    "blue": "nuclei",
    "yellow": "endoplasmic reticulum",
}
"""What each channel shows."""

_SURE = {
    "red": "red tubulin tub atubulin alphatubulin microtubule microtubules mt mts",
    "green": "green protein prot antibody ab poi target",
    "blue": "blue dapi hoechst hoechst33342 nuc nuclei nucleus nuclear dna draq5",
    "yellow": "yellow er calreticulin calr endoplasmicreticulum endoplasmic",
}
_BY_DYE = {
    "red": "cy3 tritc rhodamine texasred mcherry rfp dsred alexa555 alexa561 alexa568 alexa594 af555 af568 af594 "
    "546 555 561 568 594",
    "green": "gfp egfp fitc alexa488 af488 yfp mneongreen 488",
    "blue": "bfp cfp 405 358",
    "yellow": "cy5 alexa633 alexa640 alexa647 af633 af647 farred 633 640 642 647",
}
SURE = {word: channel for channel, words in _SURE.items() for word in words.split()}
BY_DYE = {word: channel for channel, words in _BY_DYE.items() for word in words.split()}
_NUMBERED = re.compile(r"(?:ch|c|w|d|channel|chan|wavelength)[ _]?\d{1,2}", re.IGNORECASE)
_PREFIX = re.compile(r"(?:ch|c|w|channel)\d{1,2}(?=.)", re.IGNORECASE)


@dataclass(frozen=True)
class Word:
    """What a word in a file name says of the channel.

    channel: red, green, blue or yellow, if it says so. how: `sure` (the stain or the colour itself), `dye` (a dye or
    wavelength, as the protocol of the Human Protein Atlas uses it), `numbered` (one of several channels), `nothing`.
    """

    channel: str | None
    how: Literal["sure", "dye", "numbered", "nothing"]


def meaning(text: str) -> Word:
    """Return what a word says: `DAPI`, `w1DAPI`, `Alexa 488`, `ch02`."""
    for given in (text, _PREFIX.sub("", text, count=1)):
        plain = re.sub(r"[^a-z0-9]", "", given.lower())
        if plain in SURE:
            return Word(SURE[plain], "sure")
        if plain in BY_DYE:
            return Word(BY_DYE[plain], "dye")
    return Word(None, "numbered" if _NUMBERED.fullmatch(text) else "nothing")
