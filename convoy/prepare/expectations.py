"""What wrong templates should be answered with: `expected.yaml`, beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from convoy.errors import Fault
from convoy.routes.codes import KNOWN_CODES
from convoy.settings.documents import DocumentError, read_yaml

INVALID = "invalid"
"""The folder, inside that of a route, of templates that are wrong on purpose."""

_FILE = "expected.yaml"
_CODE = re.compile(r"[45]\d\d [A-Za-z0-9._-]{1,64}")


def is_invalid(name: str) -> bool:
    """Tell whether a template is wrong on purpose, by the folder in its name."""
    return INVALID in PurePosixPath(name).parts[:-1]


def expected_codes(payloads: Path, names: Iterable[str], faults: list[Fault]) -> dict[str, str]:
    """Return the error code that each wrong template among `names` should bring.

    Adds a fault for each that has none, and for everything wrong in the files.
    """
    expected: dict[str, str] = {}
    wrong = [name for name in names if is_invalid(name)]
    for folder in dict.fromkeys(name.rpartition("/")[0] for name in wrong):
        path = payloads / folder / _FILE
        written = _read(path, faults)
        if written is None:
            continue
        for name in (name for name in wrong if name.rpartition("/")[0] == folder):
            code = written.get(name.rpartition("/")[2])
            if code is None:
                problem = "is missing; which error code should this template bring?"
                faults.append(Fault(f"{path}, {name.rpartition('/')[2]}", problem))
            else:
                expected[name] = str(code)
    return expected


def _read(path: Path, faults: list[Fault]) -> Mapping[str, object] | None:
    try:
        written = read_yaml(path)
    except DocumentError as error:
        faults.append(Fault(str(path), f"{error}; it says which code each template should bring"))
        return None
    if not isinstance(written, dict):
        faults.append(Fault(str(path), "should hold a line `template: code` for each template"))
        return None
    faults += [Fault(f"{path}, {entry}", problem) for entry, problem in _problems(path, written)]
    return written


def _problems(path: Path, written: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    there = {each.stem for each in path.parent.glob("*.json")}
    for name, code in written.items():
        if name not in there:
            yield name, f"there is no template {name}.json beside it"
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            yield name, f"{code!r:.60} is no error code; write status and code, as in 404 not.found"
            continue
        close = get_close_matches(code, KNOWN_CODES, n=1, cutoff=0.9)
        if code not in KNOWN_CODES and close:
            yield name, f"{code!r} is no known code; did you mean {close[0]!r}?"
