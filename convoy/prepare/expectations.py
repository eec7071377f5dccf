"""What wrong templates should be answered with: `expected.yaml`, beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from convoy.errors import Fault
from convoy.routes.codes import KNOWN_CODES
from convoy.settings.documents import DocumentError, read_yaml

INVALID = "invalid"
"""The folder of templates that are wrong on purpose."""

_FILE = "expected.yaml"
_CODE = re.compile(r"[45]\d\d [A-Za-z0-9._-]{1,64}")


def is_invalid(name: str) -> bool:
    """Tell whether a template is wrong on purpose, by the folder in its name."""
    return name.startswith(f"{INVALID}/")


def expected_codes(payloads: Path, names: Iterable[str], faults: list[Fault]) -> dict[str, str]:
    """Return the error code that each wrong template among `names` should bring.

    Adds a fault for each that has none, and for everything wrong in the file.
    """
    drawn = [name.removeprefix(f"{INVALID}/") for name in names if is_invalid(name)]
    if not drawn:
        return {}
    path = payloads / INVALID / _FILE
    try:
        written = read_yaml(path)
    except DocumentError as error:
        faults.append(Fault(str(path), f"{error}; it says which code each template should bring"))
        return {}
    if not isinstance(written, dict):
        faults.append(Fault(str(path), "should hold a line `template: code` for each template"))
        return {}
    faults += [Fault(f"{path}, {entry}", problem) for entry, problem in _problems(path, written)]
    faults += [
        Fault(f"{path}, {name}", "is missing; which error code should this template bring?")
        for name in drawn
        if name not in written
    ]
    return {f"{INVALID}/{name}": str(written[name]) for name in drawn if name in written}


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
