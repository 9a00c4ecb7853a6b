"""Rule parameters that Snakemake compares between runs, and parameters that it ignores.

Snakemake stores the values of a rule's parameters as a set of texts and reruns a job when the set changes. Each setting
is therefore passed as a separate parameter, a text that includes its key: a change is then shown as
`before: 'loss.gamma: 0.25' now: 'loss.gamma: 0.5'`, and swapped values are noticed.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Untracked:
    """A parameter whose change reruns nothing, because Snakemake compares only values of built-in types."""

    value: Any = None


def tracked(settings: Mapping[str, str]) -> dict[str, Callable[[Any], str | Untracked]]:
    """Return parameters for settings that are the same for all jobs of a rule: `params: **tracked(...)`."""
    return tracked_by({None: settings}, lambda wildcards: None)


def tracked_by(
    settings: Mapping[Hashable, Mapping[str, str]], choose: Callable[[Any], Hashable]
) -> dict[str, Callable[[Any], str | Untracked]]:
    """Return parameters for settings that differ between the jobs of a rule.

    choose: maps the wildcards of a job to its entry of `settings`. A key that an entry lacks is not compared.
    """
    keys = dict.fromkeys(key for entry in settings.values() for key in entry)

    # Functions, because Snakemake would interpret braces in a plain text as wildcards.
    def parameter(key: str) -> Callable[[Any], str | Untracked]:
        def text(wildcards: Any) -> str | Untracked:
            entry = settings[choose(wildcards)]
            return f"{key}: {entry[key]}" if key in entry else Untracked()

        return text

    return {f"tracked {key}": parameter(key) for key in keys}


def tracked_texts(params: Any) -> list[str]:
    """Return the tracked settings among the parameters of a job, sorted."""
    return sorted(
        value for name, value in params.items() if name.startswith("tracked ") and isinstance(value, str)
    )
