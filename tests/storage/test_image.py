"""The definition of the container image: it fits the project and follows the usual advice. No image is built."""

import re
import tomllib

import pytest
from helpers.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def instructions(text):
    """Pairs of instruction and arguments, without comments, with continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined]


def problems(text, root=ROOT):
    """What is wrong with a Containerfile, as hadolint would say it, and as this project needs it."""
    found, known = [], instructions(text)
    names = [name for name, _ in known]
    arguments = {name: [given for other, given in known if other == name] for name in names}
    for name in names:
        if name not in {"FROM", "LABEL", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER"}:
            found.append(f"unexpected instruction {name}")
    if names[:1] != ["FROM"] or names.count("FROM") != 1:
        found.append("expected one FROM, first")
    image, _, tag = arguments["FROM"][0].rpartition(":")
    if not image or tag == "latest":
        found.append("pin the version of the base image")
    version = re.match(r"3\.(\d+)", tag)
    lowest = re.search(r">=3\.(\d+)", PROJECT["requires-python"])[1]
    if not version or int(version[1]) < int(lowest):
        found.append("the Python of the base image is older than requires-python")
    for copied in arguments.get("COPY", []):
        *sources, _ = copied.split()
        found += [
            f"COPY of {source}, which is not here" for source in sources if not (root / source).exists()
        ]
    users = arguments.get("USER", ["root"])
    if users[-1].split(":")[0] in ("root", "0") or names.index("USER") < max(
        place for place, name in enumerate(names) if name == "RUN"
    ):
        found.append("the last USER must not be root")
    for command in arguments["RUN"]:
        for part in re.split(r"&&", command):
            if re.search(r"\bpip (install|wheel)\b", part) and "--constraint constraints.txt" not in part:
                found.append(f"pip without the pinned versions: {part.strip()}")
            if "sudo" in part or "curl" in part or "apt-get" in part:
                found.append(f"not needed: {part.strip()}")
    for value in [given for name in ("ENV", "ARG", "LABEL", "RUN") for given in arguments.get(name, [])]:
        if re.search(r"(?i)secret|password|access_key|token", value):
            found.append(f"a secret does not belong into an image: {value}")
    for path in arguments.get("WORKDIR", []):
        if not path.startswith("/"):
            found.append(f"WORKDIR {path} is relative")
    labels = " ".join(arguments.get("LABEL", []))
    for key, value in {"title": "name", "licenses": "license", "version": "version"}.items():
        if f'org.opencontainers.image.{key}="{PROJECT[value]}"' not in labels:
            found.append(f"the label {key} is not {PROJECT[value]}")
    return found


TEXT = (ROOT / "Containerfile").read_text()


def test_the_image_has_no_problems():
    assert problems(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":3.11-slim-bookworm", ":latest", "pin the version"),
        (":3.11-slim-bookworm", ":3.9-slim", "older than requires-python"),
        ("COPY src src", "COPY source src", "COPY of source, which is not here"),
        ("USER 1000:1000", "", "must not be root"),
        ("USER 1000:1000", "USER root", "must not be root"),
        ("--constraint constraints.txt torch", "torch", "pip without the pinned versions"),
        ('ARG PIP_EXTRA_INDEX_URL=""', "ARG AWS_SECRET_ACCESS_KEY=x", "a secret"),
        ("RUN useradd", "RUN apt-get update && useradd", "not needed"),
        ("WORKDIR /workdir", "WORKDIR workdir", "is relative"),
        ('version="0.1.0"', 'version="0.0.9"', "the label version is not"),
        ("FROM python", "ADD x y\nFROM python", "expected one FROM, first"),
    ],
)
def test_each_mistake_is_found(old, new, message):
    assert old in TEXT
    assert message in "\n".join(problems(TEXT.replace(old, new, 1)))


def test_packages_are_installed_as_by_make_env():
    """PyTorch first and alone, then the package with its extras, all at the pinned versions."""

    def installed(text):
        found = re.findall(r"pip install ([^\n&]*)", text)
        words = [line.replace('"', "").split() for line in found]
        return [
            [word for word in line if word not in ("--quiet", "--disable-pip-version-check")]
            for line in words
        ]

    torch, package = installed(TEXT)
    assert torch == installed(MAKEFILE)[0] == ["--constraint", "constraints.txt", "torch"]
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    extras = set(re.search(r"\[(.*)\]", package[-1])[1].split(","))
    assert extras == {"pretrained", "s3"}
    assert "pretrained" in installed(MAKEFILE)[1][-1]


def test_the_build_sends_no_more_than_the_image_copies():
    lines = (ROOT / ".dockerignore").read_text().split()
    copied = {source for name, given in instructions(TEXT) if name == "COPY" for source in given.split()[:-1]}
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
