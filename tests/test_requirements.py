"""What is installed: the lists that a person reads, and the locks with all that they need."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
SYSTEMS = [
    {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": system}
    for python in ("3.11", "3.12", "3.13", "3.14")
    for system in ("linux", "darwin")
]
"""Where Convoy is installed, as far as markers ask."""


def listed(path: Path) -> list[Requirement]:
    """Return the requirements of a list, and those of the lists that it includes."""
    found: list[Requirement] = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("-r "):
            found += listed(path.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def locked(path: Path) -> list[tuple[Requirement, list[str]]]:
    """Return each package of a lock with the hashes of its files."""
    entries: list[tuple[Requirement, list[str]]] = []
    text = re.sub(r"^\s*#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+(?=--)", entry.strip())
        entries.append((Requirement(requirement), hashes))
    return entries


def versions(requirements: list[Requirement]) -> dict[str, str]:
    return {canonicalize_name(each.name): str(each.specifier) for each in requirements}


@pytest.mark.parametrize(("name", "lock"), LOCKS.items(), ids=LOCKS)
def test_what_is_listed_is_locked_in_the_same_version(
    repository: Path, name: str, lock: str
) -> None:
    pinned = versions(listed(repository / name))
    found = versions([requirement for requirement, _ in locked(repository / lock)])

    assert all(specifier.startswith("==") for specifier in pinned.values())
    assert {name: found.get(name) for name in pinned} == pinned


@pytest.mark.parametrize("lock", LOCKS.values())
def test_every_package_of_a_lock_has_one_version_and_the_hashes_of_its_files(
    repository: Path, lock: str
) -> None:
    entries = locked(repository / lock)

    assert len(versions([requirement for requirement, _ in entries])) == len(entries) > 50
    for requirement, hashes in entries:
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), requirement
        assert hashes and all(HASH.fullmatch(each) for each in hashes), requirement
        assert requirement.url is None


def test_what_tests_need_agrees_with_what_a_run_needs(repository: Path) -> None:
    of_runs, of_tests = (
        {each.name + str(each.specifier): hashes for each, hashes in locked(repository / lock)}
        for lock in LOCKS.values()
    )

    assert {package: of_tests.get(package) for package in of_runs} == of_runs


@pytest.mark.parametrize("lock", LOCKS.values())
def test_a_lock_says_how_it_was_made_and_names_no_index(repository: Path, lock: str) -> None:
    text = (repository / lock).read_text("utf-8")

    assert "make lock, for Python 3.11 and newer" in text
    assert "://" not in text and "index" not in text
    assert not re.search(r"[ =]/", text), "it names a folder of the machine where it was made"


@pytest.mark.parametrize("lock", LOCKS.values())
def test_every_package_that_a_locked_one_needs_is_locked(repository: Path, lock: str) -> None:
    entries = [requirement for requirement, _ in locked(repository / lock)]
    markers = {canonicalize_name(each.name): each.marker for each in entries}
    for requirement in entries:
        try:
            needed = [Requirement(each) for each in requires(requirement.name) or []]
        except PackageNotFoundError:
            continue  # of another system
        for system in SYSTEMS:
            if not holds(requirement.marker, system):
                continue
            for each in needed:
                if holds(each.marker, system):
                    name = canonicalize_name(each.name)
                    assert name in markers, f"{requirement.name} needs {each}"
                    assert holds(markers[name], system), f"{requirement.name} needs {each}"


def holds(marker: Marker | None, system: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(system | {"extra": ""})
