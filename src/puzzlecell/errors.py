"""Errors that a user can fix. They are shown without a traceback; all other exceptions are bugs and keep theirs."""

import os


class UserError(ValueError):
    """Base class; the message says which file or setting is wrong, what was found and what was expected."""


class DamagedFileError(UserError):
    """A file that a job of this workflow wrote, and that has changed since."""

    def __init__(self, path: str | os.PathLike, found: str, remedy: str = "delete this file and start again"):
        super().__init__(f"{path}: damaged: {found}; {remedy}")
        self.path, self.found = path, found
