"""Running the project's workflow in another folder, as the command `snakemake` would."""

import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from puzzlecell.errors import UserError

NEEDED = ("Snakefile", "rules", "workflow/scripts", "profiles/default/config.yaml", "envs")
"""Parts of the project that a run needs besides the installed package."""


def project_folder() -> Path:
    """Folder with the Snakefile, rules, scripts and profiles: the clone from which the package is imported.

    If the package was installed as a copy, that is the current folder. Raises UserError if neither is a clone.
    """
    for folder in (Path(__file__).resolve().parents[3], Path.cwd()):
        if all((folder / part).exists() for part in NEEDED):
            return folder
    raise UserError(
        "the workflow (Snakefile, rules, scripts, profiles) is not installed with the package: run this in a clone of "
        "the project, or install the clone with `pip install --editable`"
    )


def profile_path(profile: str) -> str:
    """A Snakemake profile as it is to be given in another folder: that of the current folder, else of the project.

    A name that is no folder of either is returned as it is, because Snakemake has folders of its own for profiles.
    """
    for folder in (Path.cwd(), project_folder()):
        path = folder / profile
        if path.is_file() or (path.is_dir() and list(path.glob("config*.yaml"))):
            return str(path)
    return profile


def run_workflow(directory: Path, configuration: Path, arguments: Sequence[str]) -> int:
    """Run Snakemake in this process on `directory` with a configuration file; return its exit status.

    arguments: further arguments, with targets at the end. Status 130 after SIGINT (Ctrl-C), as shells expect; the jobs
    end as they do with `snakemake` itself.
    """
    from snakemake.cli import main

    project = project_folder()
    command = [
        *("--snakefile", str(project / "Snakefile")),
        *("--directory", str(directory.absolute())),
    ]
    if not any(text.split("=")[0] == "--workflow-profile" for text in arguments):
        command += ["--workflow-profile", str(project / "profiles/default")]
    # Last, because it takes all words after it.
    command += [*arguments, "--configfile", str(configuration.absolute())]
    interrupted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, note)
    try:
        main(command)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    else:
        status = 0
    finally:
        signal.signal(signal.SIGINT, before)
    return 130 if interrupted else status
