"""Another locustfile, which goes on to the master only when the test says so.

All of it is imported by then: how long a process takes to start is no part of what is tested.
"""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

_DEADLINE_S = 120.0

_HELD = runpy.run_path(os.environ["HELD_LOCUSTFILE"])
globals().update({name: value for name, value in _HELD.items() if not name.startswith("_")})
Path("held").touch()
_until_s = time.monotonic() + _DEADLINE_S
while not Path("go").exists() and time.monotonic() < _until_s:
    time.sleep(0.02)
