"""Opening a page in the user's browser."""

import os
import sys
import webbrowser


def open_in_browser(address: str) -> bool:
    """Open an address in a window of the default browser; return whether there is one.

    Without a display, browsers of the terminal would be started, which take it over and run no scripts: none is then
    opened, unless the variable BROWSER names one.
    """
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform.startswith("linux") and not has_display:
        return False
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
