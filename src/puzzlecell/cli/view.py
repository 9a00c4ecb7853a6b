"""`puzzlecell view`."""

import argparse
from contextlib import chdir
from pathlib import Path

from puzzlecell.cli.arguments import Commands
from puzzlecell.errors import UserError
from puzzlecell.runtime.browser import open_in_browser
from puzzlecell.runtime.threads import available_cores


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    view = commands.add_parser(
        "view",
        help="look at the cells of a finished run in the browser (docs/viewer.md)",
        description="Open the viewer that `snakemake view` has made. With --serve, show all cells and fields straight "
        "from the results of the run, on this machine alone, until Ctrl-C.",
    )
    view.add_argument(
        "results",
        nargs="?",
        default="results",
        type=Path,
        metavar="RESULTS",
        help="folder of the results, or that of the run (default: %(default)s)",
    )
    view.add_argument("--serve", action="store_true", help="serve every picture, made when it is looked at")
    view.add_argument(
        "--port", type=_port, metavar="N", help="of 127.0.0.1, with --serve (default: any free one)"
    )
    view.add_argument("--no-browser", action="store_true", help="only print the address")
    view.add_argument(
        "--configfile",
        nargs="+",
        help="configuration of the run, with --serve (default: that of the last run in the folder)",
    )
    view.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    given = options.results
    results = given / "results" if (given / "results").is_dir() else given
    if options.serve:
        _serve(results, options)
        return
    for name in ("port", "configfile"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name}: is used with --serve only")
    page = results / "view/index.html"
    if not page.is_file():
        raise UserError(
            f"{page}: there is no viewer of these results; make it with `snakemake --cores all view` in the folder of "
            "the run, or look at them with `puzzlecell view --serve`"
        )
    _show(str(page), page.resolve().as_uri(), no_browser=options.no_browser)


def _serve(results: Path, options: argparse.Namespace) -> None:
    if not results.is_dir() or results.resolve().name != "results":
        raise UserError(f"{results}: there are no results here; give the folder of a finished run")
    configfiles = [str(Path(path).absolute()) for path in options.configfile or ()]
    with chdir(results.resolve().parent):
        from puzzlecell.viewer.run_folder import served_run

        with served_run(configfiles, cores=available_cores(), port=options.port or 0) as server:
            print(f"{results} is served to this machine alone; Ctrl-C ends it")
            # Connections that come now wait for the loop.
            _show(server.url, server.opening_url, no_browser=options.no_browser)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("\nended")


def _show(shown: str, address: str, *, no_browser: bool) -> None:
    print(shown, flush=True)
    if not no_browser and not open_in_browser(address):
        print("no browser could be started here; open this address in one", flush=True)


def _port(text: str) -> int:
    """Type of `--port`."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, found {text!r}")
    return int(text)
