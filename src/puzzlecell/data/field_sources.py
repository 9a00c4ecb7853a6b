"""Which fields a data set has, and where the images of each are: by naming pattern, or from a table of images.

Imports nothing heavy, because planning uses this module too.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from puzzlecell.config.naming import CHANNELS, ChannelPlace, Layout, filled, group_names
from puzzlecell.data.file_scan import WHOLE, Scan, SourceError, metadata_names, scan
from puzzlecell.data.ids import read_field_ids
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.image_table import ImageTable, metadata_problem, read_image_table
from puzzlecell.data.raw_files import folder_start, shard_of
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.unchanged_files import kept_while_unchanged

DEFAULT = Layout()


@dataclass(frozen=True)
class FieldSource:
    """Where the images of a field are.

    planes: of red, green, blue and yellow; None: the channel is black. Two may be the same. pixel_size_um: from the
    table of images. metadata: names and values of columns of the table of cells. problem: why images are missing.
    """

    planes: tuple[ImagePlane | None, ...]
    pixel_size_um: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class RawDataset:
    """Where the raw data of a data set is, on this machine or in a bucket.

    images: folder. labels: table on this machine; None: a test set without one. labelled: whether the fields need
    labels. table: the table of images, on this machine; None: there is none. table_folder: path or URL of the folder
    from which its paths start. layout: names of the files.
    """

    images: str | os.PathLike
    labels: str | os.PathLike | None
    labelled: bool
    table: str | os.PathLike | None = None
    table_folder: str = ""
    layout: Layout = DEFAULT

    @property
    def ids_from(self) -> str | os.PathLike:
        """The table or folder that says which fields there are."""
        return self.labels or self.table or self.images

    @property
    def needs_a_look(self) -> bool:
        """Whether paths of images cannot be told from the ID of a field alone."""
        return self.table is not None or not _told_by_id(self.layout)


@dataclass(frozen=True)
class FieldSources:
    """The fields of a data set. ids: in the order of the table that names them, else sorted."""

    dataset: RawDataset
    ids: tuple[str, ...]
    table: ImageTable | None = None
    found: Scan | None = None

    def __getitem__(self, field_id: str) -> FieldSource:
        """Where the images of a field are; also of a field that is not there, with a `problem` or missing files."""
        if self.table is not None:
            return self._from_table(self.table, field_id)
        if self.found is None:
            return named_source(self.dataset.images, field_id, self.dataset.layout)
        return self._from_scan(self.found, field_id)

    @property
    def metadata_names(self) -> tuple[str, ...]:
        """Names of the columns of metadata."""
        return self.table.metadata if self.table else tuple(metadata_names(self.dataset.layout))

    @property
    def known(self) -> Iterable[str]:
        """IDs of the fields of the table of images or of the files that were found."""
        return self.table.ids if self.table else self.found.files if self.found else ()

    def of_shard(self, shard: int, shards: int) -> list[str]:
        """IDs of the fields that belong to a shard, in their order."""
        return _by_shard(self.ids, shards).get(shard, [])

    def files(self, field_ids: Iterable[str]) -> Iterator[str]:
        """Paths of the files of fields, each file of a field once."""
        if not self.dataset.needs_a_look and self.dataset.layout == DEFAULT:
            # A quarter of the time, for half a million files.
            start = folder_start(self.dataset.images)
            for field_id in field_ids:
                for channel in CHANNELS:
                    yield f"{start}{field_id}_{channel}.png"
            return
        for field_id in field_ids:
            yield from dict.fromkeys(plane.path for plane in self[field_id].planes if plane)

    def _from_table(self, table: ImageTable, field_id: str) -> FieldSource:
        if field_id not in table.rows:
            path = self.dataset.table
            return FieldSource((None,) * 4, problem=f"{path}: there is no row for the field {field_id}")
        planes = table.planes(field_id)
        return FieldSource(
            _in_order(self.dataset.layout, lambda channel, place: planes[channel]),
            table.pixel_size(field_id),
            table.metadata_of(field_id),
        )

    def _from_scan(self, found: Scan, field_id: str) -> FieldSource:
        layout, files = self.dataset.layout, found.files.get(field_id, {})
        missing: list[str] = []

        def plane(channel: str, place: ChannelPlace) -> ImagePlane | None:
            path = files.get(WHOLE if place.name is None else place.name)
            if path is None:
                missing.append(channel if place.name in (None, channel) else f"{channel} ({place.name})")
                return None
            return ImagePlane(f"{folder_start(self.dataset.images)}{path}", place.page, place.channel)

        planes, problem = _in_order(layout, plane), None
        if missing:
            what = f"for {', '.join(missing)} " if files else ""
            there = f"; found {first_few(files.values(), 4)}" if files else ""
            problem = f"{self.dataset.images}: field {field_id}: no file {what}matches naming {layout.naming!r}{there}"
        return FieldSource(planes, None, found.metadata.get(field_id, {}), problem)


def field_sources(dataset: RawDataset) -> FieldSources:
    """Return the fields of a data set.

    IDs come from its label table, else from its table of images, else from the names of its files. Raises TableError
    for tables that cannot be used, SourceError if it is not clear which files belong to which field, or if a data set
    without tables has no files; BucketError.
    """
    sources = image_sources(dataset)
    if dataset.labels is not None:
        return replace(sources, ids=_kept_ids(dataset.labels))
    if sources.table is not None:
        return replace(sources, ids=sources.table.ids)
    found = sources.found or scan(os.fspath(dataset.images), dataset.layout)
    if not found.files:
        raise SourceError(no_files(dataset, found))
    return replace(sources, ids=tuple(found.files))


def image_sources(dataset: RawDataset) -> FieldSources:
    """Where the images of fields are, without a list of the fields: the label table is not read.

    Raises as `field_sources`.
    """
    layout = dataset.layout
    table = found = None
    if dataset.table is not None:
        if layout.explicit:
            raise SourceError(
                f"{dataset.table}: this table says where the images are, and so does naming: {layout.naming!r} of the "
                "configuration; remove one of the two, or name the folder with `images`"
            )
        table = read_image_table(dataset.table, dataset.table_folder, layout.channels)
    else:
        wrong = next(filter(None, map(metadata_problem, metadata_names(layout))), None)
        if wrong:
            raise SourceError(f"naming: the group {wrong}")
        if not _told_by_id(layout):
            found = scan(os.fspath(dataset.images), layout)
    return FieldSources(dataset, (), table, found)


def named_source(images: str | os.PathLike, field_id: str, layout: Layout = DEFAULT) -> FieldSource:
    """Where the images of a field are if its ID is all that their names need."""
    start = folder_start(images)

    def plane(channel: str, place: ChannelPlace) -> ImagePlane:
        name = filled(layout.naming, {"ID": field_id, "channel": place.name or ""}.__getitem__)
        return ImagePlane(f"{start}{name}", place.page, place.channel)

    return FieldSource(_in_order(layout, plane))


def no_files(dataset: RawDataset, found: Scan | None) -> str:
    """Message: no file of a data set without tables matches its pattern."""
    such_as = f"; it contains {first_few(found.others, 3)}" if found and found.others else ""
    names = ", ".join(dict.fromkeys(dataset.layout.names.values()))
    channels = f", channels {names}" if "channel" in group_names(dataset.layout.naming) else ""
    return (
        f"{dataset.images}: no file matches naming {dataset.layout.naming!r}{channels}{such_as}; there is no "
        "labels.csv and no images.csv either, so no field is known"
    )


def metadata_columns(dataset: RawDataset) -> dict[str, list[str]] | None:
    """Metadata of all fields by column, with their IDs as `ID`; None if there is none. Raises as `field_sources`."""
    if not _may_have_metadata(dataset):
        return None
    sources = image_sources(dataset)
    names = sources.metadata_names
    if not names:
        return None
    ids = sources.known
    rows = [sources[field_id].metadata for field_id in ids]
    return {"ID": list(ids), **{name: [row.get(name, "") for row in rows] for name in names}}


def _may_have_metadata(dataset: RawDataset) -> bool:
    return dataset.table is not None or bool(metadata_names(dataset.layout))


@kept_while_unchanged
def _kept_ids(labels: Path) -> tuple[str, ...]:
    return tuple(read_field_ids(labels))


# Planning asks for each shard of a data set in turn.
@lru_cache(maxsize=8)
def _by_shard(ids: tuple[str, ...], shards: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for field_id in ids:
        found.setdefault(shard_of(field_id, shards), []).append(field_id)
    return found


def _told_by_id(layout: Layout) -> bool:
    """Whether the paths of a field can be written down from its ID."""
    return set(group_names(layout.naming)) <= {"ID", "channel"} and "*" not in filled(layout.naming, str)


def _in_order(layout: Layout, plane) -> tuple[ImagePlane | None, ...]:
    """Planes of red, green, blue and yellow; `plane(channel, place)` gives those of channels with their own images."""
    own = {
        channel: plane(channel, place)
        for channel, place in zip(CHANNELS, layout.channels, strict=True)
        if place is not None and place.same_as is None
    }
    return tuple(
        None if place is None else own[place.same_as or channel]
        for channel, place in zip(CHANNELS, layout.channels, strict=True)
    )
