"""Downloads the fields of a data set: its images, label table, attribution, and a report of what is missing."""

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd

from puzzlecell.config.download import DownloadSettings
from puzzlecell.data.class_names import ClassNames
from puzzlecell.data.label_values import parse_numbers
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.text_tables import listed, quoted
from puzzlecell.download.image_check import image_problem
from puzzlecell.download.transfer import Fetcher, StoppedError, TransferError
from puzzlecell.download.wanted import KEPT, DownloadError, Wanted, ending, image_urls, read_wanted
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.bucket import is_url
from puzzlecell.runtime.messages import first_few, first_lines
from puzzlecell.runtime.progress import Progress, no_progress

log = logging.getLogger(__name__)

REPORT, ATTRIBUTION = "download.csv", "ATTRIBUTION.txt"


@dataclass(frozen=True)
class Missing:
    """An image that could not be fetched."""

    ID: str
    channel: str
    url: str
    problem: str


def download_dataset(
    folder: str | os.PathLike,
    settings: DownloadSettings,
    classes: Sequence[str],
    *,
    labels: str | os.PathLike | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Fetch the images of a data set into `<folder>/images`; return the report of those that are missing.

    Images that are there are not fetched again. The report (`download.csv`, columns `ID, channel, url, problem`) and
    `ATTRIBUTION.txt` are written in any case. The label table (labels; None: `<folder>/labels.csv`) has the complete
    fields: `ID`, `Label` (locations of the atlas as names of `classes`) and what is known of antibody, gene, cell line
    and well. Raises DownloadError before anything is fetched if the fields, their URLs or their labels cannot be used,
    and at the end, with no label table written, if more than the fraction `max_failed` of the fields is incomplete.
    """
    if is_url(folder):
        raise DownloadError(f"{folder}: fields are downloaded to a folder of this machine, not into a bucket")
    folder = Path(folder)
    stop = threading.Event()
    labels = Path(labels or folder / "labels.csv")
    if labels.resolve() == Path(settings.fields).resolve():
        raise DownloadError(
            f"{labels}: this table lists the fields, and the label table would be written over it; move it elsewhere, "
            "and name its new place (`fields`)"
        )
    wanted = read_wanted(_local(folder, settings, stop), settings)
    table = label_table(wanted, classes, settings.fields)
    _write_attribution(folder, wanted, settings)
    missing = _fetch_all(folder, wanted, settings, stop, progress)
    report = pd.DataFrame(missing, columns=["ID", "channel", "url", "problem"])
    _write_own(folder / REPORT, report)
    incomplete = set(report["ID"])
    if len(incomplete) > settings.max_failed * len(wanted):
        lines = [f"{found.ID}, {found.channel}: {found.problem}" for found in missing]
        raise DownloadError(
            "\n".join(
                [
                    f"{folder}: {len(incomplete)} of {len(wanted)} fields are incomplete; download.max_failed allows a "
                    f"fraction of {settings.max_failed:g}. Start again to fetch what is missing ({folder / REPORT}):",
                    *first_lines(lines, 10),
                ]
            )
        )
    if incomplete:
        log.warning(
            "%d of %d fields are incomplete and left out: %s",
            len(incomplete),
            len(wanted),
            first_few(incomplete),
        )
    _write_own(labels, table[~table["ID"].isin(incomplete)])
    return report


def _write_own(path: Path, table: pd.DataFrame) -> None:
    """Write a table that is the user's from then on: without a checksum, so that it may be edited."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def label_table(wanted: Sequence[Wanted], classes: Sequence[str], source: str) -> pd.DataFrame:
    """Return the label table: `ID`, `Label` if any field has one, `locations` if names were mapped, and other columns.

    Locations are replaced by their classes; names without a class stay, for `labels.without_class` to decide. Class
    numbers stay as they are. source: where the fields are listed, for messages. Raises DownloadError for an unknown
    name.
    """
    names = ClassNames(classes)
    table = pd.DataFrame({"ID": [each.ID for each in wanted]})
    given = [each.label or "" for each in wanted]
    if any(given):
        numeric = all(parse_numbers(text) for text in given if text)
        table["Label"] = given if numeric else _mapped(wanted, names, source)
        if not numeric:
            table["locations"] = given
    for column in KEPT:
        values = [each.values.get(column, "") for each in wanted]
        if any(values):
            table[column] = values
    return table


def _mapped(wanted: Sequence[Wanted], names: ClassNames, source: str) -> list[str]:
    labels, problems = [], []
    for each in wanted:
        found = []
        for name in names.split(each.label or ""):
            if not names.is_known(name):
                where = f"{source}: " + (f"line {each.line}: " if each.line else "")
                problems.append(
                    f"{where}field {each.ID} has the location {quoted(name)}, which is unknown; {names.hint(name)}"
                    if name
                    else f"{where}field {each.ID} has no location"
                )
                continue
            index = names.index(name)
            found.append(name if index is None else names.classes[index])
        labels.append("|".join(dict.fromkeys(found)))
    if problems:
        raise DownloadError("\n".join(listed(problems, source)))
    return labels


def _local(folder: Path, settings: DownloadSettings, stop: threading.Event) -> Path:
    """The table or XML of the fields as a file of this machine; a URL is fetched into the folder once.

    Its name begins with a digest of the URL: another release has another URL, but may have a file of the same name.
    """
    if not settings.fields.startswith(("http://", "https://")):
        return Path(settings.fields)
    digest = hashlib.sha256(settings.fields.encode()).hexdigest()[:8]
    path = folder / f"{digest}-{unquote(urlsplit(settings.fields).path).rsplit('/', 1)[-1]}"
    fetcher = _fetcher(settings, stop)
    fetcher.check = lambda _: None
    try:
        fetcher.fetch(settings.fields, path)
    except TransferError as error:
        raise DownloadError(f"{settings.fields}: {error}") from error
    return path


def _fetcher(settings: DownloadSettings, stop: threading.Event) -> Fetcher:
    return Fetcher(settings.attempts, settings.wait_s, settings.timeout_s, image_problem, stop)


def _fetch_all(
    folder: Path,
    wanted: Sequence[Wanted],
    settings: DownloadSettings,
    stop: threading.Event,
    progress: Progress,
) -> list[Missing]:
    """Fetch all images, field by field, over several connections; return those that are missing, in order."""
    waiting = iter(enumerate(wanted))
    lock = threading.Lock()
    found: list[tuple[int, Missing]] = []
    done = 0

    def work() -> None:
        nonlocal done
        fetcher = _fetcher(settings, stop)
        try:
            while not stop.is_set():
                with lock:
                    place, field = next(waiting, (0, None))
                if field is None:
                    return
                problems = list(_fetch_field(fetcher, folder, field, settings))
                with lock:
                    found.extend((place, problem) for problem in problems)
                    done += 1
                    progress(done, len(wanted))
        except StoppedError:
            pass
        except BaseException:
            # A full disk, for example: the other connections end, too.
            stop.set()
            raise

    with ThreadPoolExecutor(settings.connections) as pool:
        futures = [pool.submit(work) for _ in range(settings.connections)]
        try:
            for future in futures:
                future.result()
        finally:
            stop.set()
    return [problem for _, problem in sorted(found, key=lambda entry: entry[0])]


def _fetch_field(
    fetcher: Fetcher, folder: Path, field: Wanted, settings: DownloadSettings
) -> Iterator[Missing]:
    urls = image_urls(field, settings)
    for channel in CHANNELS:
        url = urls[channel]
        try:
            fetcher.fetch(url, folder / "images" / f"{field.ID}_{channel}{ending(url)}")
        except TransferError as error:
            yield Missing(field.ID, channel, url, str(error))


def _write_attribution(folder: Path, wanted: Sequence[Wanted], settings: DownloadSettings) -> None:
    hosts = {urlsplit(url).netloc for each in wanted[:1000] for url in image_urls(each, settings).values()}
    with written_whole(folder / ATTRIBUTION) as temporary:
        temporary.write_text(
            f"{settings.attribution}\n\nFetched from: {', '.join(sorted(hosts))}\nListed in: {settings.fields}\n"
        )
