"""The project's locustfile, which also tells what a run of guests takes and leaves behind."""

from __future__ import annotations

import locust  # isort: skip  # it patches sockets
import gc
import json
import os
import resource
from pathlib import Path
from typing import Any

from gevent import Greenlet

import locustfile
from bench.usage import resident_mib_of

globals().update({name: getattr(locustfile, name) for name in locustfile.__all__})


def watch(path: Path) -> None:
    """Write to a file, when the process ends, what it took and what is still there.

    Memory in MiB, before the users came and at its highest; greenlets of users that have not ended,
    and open sockets of any kind.
    """
    left: dict[str, float] = {}

    def begin(**_: Any) -> None:
        left["mib_before"] = resident_mib_of(os.getpid())

    def end(**_: Any) -> None:
        left["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        left.update(greenlets=_greenlets_of_users(), sockets=_sockets())
        path.write_text(json.dumps(left))

    locust.events.test_start.add_listener(begin)
    locust.events.quitting.add_listener(end)


def _greenlets_of_users() -> int:
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, Greenlet) and not each.dead]
    return sum(isinstance(arg, locust.User) for each in alive for arg in each.args)


def _sockets() -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum(os.path.islink(each) and os.readlink(each).startswith("socket:") for each in links)


watch(Path.cwd() / "left.json")
