"""The table of all sabotages."""

from __future__ import annotations

from bench.sabotage.must_not_pass import MUST_NOT_PASS
from bench.sabotage.must_stay_true import MUST_STAY_TRUE

SABOTAGES = MUST_NOT_PASS + MUST_STAY_TRUE
