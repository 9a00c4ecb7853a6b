"""Names in label tables: those of the class table, and the locations that the Human Protein Atlas names."""

import difflib
from collections.abc import Sequence

from puzzlecell.runtime.messages import first_few

VESICLES = "Vesicles and punctate cytosolic patterns"
CLASS_OF_LOCATION: dict[str, str | None] = {
    "Nucleoplasm": "Nucleoplasm",
    "Nuclear membrane": "Nuclear membrane",
    "Nucleoli": "Nucleoli",
    "Nucleoli fibrillar center": "Nucleoli fibrillar center",
    "Nuclear speckles": "Nuclear speckles",
    "Nuclear bodies": "Nuclear bodies",
    "Endoplasmic reticulum": "Endoplasmic reticulum",
    "Golgi apparatus": "Golgi apparatus",
    "Intermediate filaments": "Intermediate filaments",
    "Actin filaments": "Actin filaments",
    "Focal adhesion sites": "Actin filaments",
    "Microtubules": "Microtubules",
    "Mitotic spindle": "Mitotic spindle",
    "Centrosome": "Centrosome",
    "Centriolar satellite": "Centrosome",
    "Plasma membrane": "Plasma membrane",
    "Cell Junctions": "Plasma membrane",
    "Mitochondria": "Mitochondria",
    "Aggresome": "Aggresome",
    "Cytosol": "Cytosol",
    "Vesicles": VESICLES,
    "Peroxisomes": VESICLES,
    "Endosomes": VESICLES,
    "Lysosomes": VESICLES,
    "Lipid droplets": VESICLES,
    "Cytoplasmic bodies": VESICLES,
    "No staining": "Negative",
    "Acrosome": None,
    "Annulus": None,
    "Basal body": None,
    "Calyx": None,
    "Cleavage furrow": None,
    "Connecting piece": None,
    "Cytokinetic bridge": None,
    "End piece": None,
    "Equatorial segment": None,
    "Flagellar centriole": None,
    "Kinetochore": None,
    "Microtubule ends": None,
    "Microtubule organizing center": None,
    "Mid piece": None,
    "Midbody": None,
    "Midbody ring": None,
    "Mitotic chromosome": None,
    "Nucleoli rim": None,
    "Perinuclear theca": None,
    "Primary cilium": None,
    "Primary cilium tip": None,
    "Primary cilium transition zone": None,
    "Principal piece": None,
    "Rods & Rings": None,
}
"""Location of the Human Protein Atlas -> class of the HPA 2021 challenge, by its mapping for public images.

None: the challenge has no class for it.
"""
LONGEST = 200
"""Characters of the longest name for which a similar one is looked for; the time grows with their square."""
SEPARATORS = "|;,"
"""Signs between the names of a label; the first one that occurs in it separates them."""


class ClassNames:
    """Finds the classes of a class table by name.

    A name is that of a class or else of a location of the Human Protein Atlas, whose class is then looked up by name in
    the class table, so that it works with any table. Capitals and the number of spaces do not matter, unless two
    classes differ in nothing else.
    """

    def __init__(self, classes: Sequence[str]):
        self.classes = list(classes)
        self._exact = {name: number for number, name in enumerate(self.classes)}
        folded = [_folded(name) for name in self.classes]
        self._folded = {name: number for number, name in enumerate(folded) if folded.count(name) == 1}
        self._locations = {
            _folded(location): None if name is None else self._exact.get(name)
            for location, name in CLASS_OF_LOCATION.items()
        }

    def is_class(self, name: str) -> bool:
        """Whether this is the name of a class itself."""
        return name in self._exact or _folded(name) in self._folded

    def is_known(self, name: str) -> bool:
        """Whether this is the name of a class or of a location, be it one without a class."""
        return self.is_class(name) or _folded(name) in self._locations

    def index(self, name: str) -> int | None:
        """Return the index of the class of a known name; None for a location without a class in this table."""
        if name in self._exact:
            return self._exact[name]
        folded = _folded(name)
        return self._folded[folded] if folded in self._folded else self._locations[folded]

    def split(self, text: str) -> list[str]:
        """Split a label into names: as few as possible, since a name may contain a separator."""
        text = text.strip()
        separator = next((sign for sign in SEPARATORS if sign in text), None)
        if separator is None or self.is_known(text):
            return [text]
        return [name for part in text.split(separator) for name in self.split(part)]

    def nearest(self, name: str, cutoff: float = 0.6) -> str | None:
        """Return the class or location whose name is most like an unknown one; None if none is."""
        if len(name) > LONGEST:
            return None
        known = {_folded(text): text for text in [*CLASS_OF_LOCATION, *self.classes]}
        found = difflib.get_close_matches(_folded(name), known, n=1, cutoff=cutoff)
        return known[found[0]] if found else None

    def hint(self, name: str) -> str:
        """Return the end of a message about an unknown name: the nearest one, or some classes."""
        near = self.nearest(name)
        return f"did you mean {near}?" if near else f"the classes are {first_few(self.classes, 20)}"


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
