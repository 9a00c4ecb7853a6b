"""The published package hpacellseg as a segmenter, run in its own environment."""

import json
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import HpaCellSegSettings
from puzzlecell.data.label_images import number_by_cell, tidy
from puzzlecell.errors import UserError
from puzzlecell.segmentation.base import (
    FieldImage,
    Resources,
    SegmentedField,
    Segmenter,
    integers,
    reason_if_empty,
)
from puzzlecell.segmentation.hpa_labelling import FULL_SIZE_PIXEL_UM, finished, label_cells
from puzzlecell.segmentation.requirements import missing_published

WORKER = Path(__file__).with_name("hpacellseg_worker.py")


class HpaCellSegError(UserError):
    """The package cannot be run as configured; the message says what to do."""


class HpaCellSegSegmenter(Segmenter):
    """Sends fields to a process in the package's environment and receives predictions or labels."""

    def __init__(
        self,
        settings: HpaCellSegSettings,
        labelling: LabellingSettings,
        threads: int = 1,
        device: str = "cpu",
    ):
        """Start the process; raises HpaCellSegError if the environment or the weights are missing."""
        for kind, weights in (("nuclei", settings.nuclei_weights), ("cell", settings.cell_weights)):
            if not Path(weights).is_file():
                raise HpaCellSegError(missing_published(weights, kind))
        self.settings, self.labelling, self.threads = settings, labelling, threads
        command = [
            settings.python,
            str(WORKER),
            settings.nuclei_weights,
            settings.cell_weights,
            "--device",
            device,
            "--threads",
            str(threads),
        ]
        if settings.padding:
            command.append("--padding")
        try:
            self._worker = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )
        except OSError as error:
            raise HpaCellSegError(
                f"segmentation.hpacellseg.python: {settings.python} cannot be run ({error.strerror}); create the "
                "environment of envs/hpacellseg.yaml and give the path of its Python"
            ) from error
        assert self._worker.stdin is not None and self._worker.stdout is not None, "both were requested above"
        self._requests, self._answers = self._worker.stdin, self._worker.stdout

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Return the label images of each field, in the order given."""
        with ThreadPoolExecutor(self.threads) as pool:
            # The package predicts the next field while the previous one is being labelled.
            waiting = [pool.submit(self._label, field, self._predicted(field)) for field in fields]
            return [job.result() for job in waiting]

    def close(self) -> None:
        """Stop the package's process."""
        self._requests.close()
        self._answers.close()
        self._worker.wait()

    def _predicted(self, field: FieldImage) -> dict[str, np.ndarray]:
        package_labels = self.settings.label_with == "package"
        if package_labels and abs(field.pixel_um / FULL_SIZE_PIXEL_UM - 1) > 0.05:
            raise HpaCellSegError(
                f"{field.field_id}: hpacellseg labels fields with {FULL_SIZE_PIXEL_UM} micrometres per pixel, this one "
                f"has {field.pixel_um:g}; set segmentation.source: raw, or segmentation.hpacellseg.label_with: "
                "puzzlecell"
            )
        return self._ask(field, package_labels)

    def _label(self, field: FieldImage, found: dict[str, np.ndarray]) -> SegmentedField:
        if "cell_labels" in found:
            cells, nuclei = found["cell_labels"], found["nucleus_labels"]
            cells, nuclei = tidy(cells.astype(np.uint16), number_by_cell(nuclei.astype(np.uint16), cells)[0])
            labels = finished(cells, nuclei, self.labelling)
        else:
            labels = label_cells(found["nuclei"], found["cells"], field.pixel_um, self.labelling)
        return SegmentedField(*labels, reason_if_empty(found["nuclei"], labels[0], self.labelling))

    def _ask(self, field: FieldImage, label: bool) -> dict[str, np.ndarray]:
        with TemporaryDirectory() as folder:
            image_path, output_path = Path(folder, "image.npy"), Path(folder, "found.npz")
            request = {
                "image": str(image_path),
                "output": str(output_path),
                "scale": field.pixel_um / self.settings.pixel_um,
                "label": label,
            }
            np.save(image_path, integers(field))
            try:
                self._requests.write(json.dumps(request) + "\n")
                self._requests.flush()
                answer = self._answers.readline()
            except BrokenPipeError:
                answer = ""
            if not answer:
                raise HpaCellSegError(
                    f"{field.field_id}: the hpacellseg process ended with status {self._worker.wait()}; its own error "
                    "messages are above; is hpacellseg installed in the environment of "
                    f"{self.settings.python} (envs/hpacellseg.yaml)?"
                )
            problem = json.loads(answer).get("error")
            if problem:
                raise HpaCellSegError(f"{field.field_id}: hpacellseg failed:\n{problem}")
            with np.load(output_path) as found:
                return dict(found)


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> HpaCellSegSegmenter:
    """Return the segmenter; raises HpaCellSegError if its environment or weights are missing."""
    return HpaCellSegSegmenter(settings.hpacellseg, settings.labelling, resources.threads, resources.device)
