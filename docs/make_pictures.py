"""Makes the pictures in `docs/pictures`: a run with faults, and its report in a browser.

`make docs` runs it; it needs Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.simulator_process import SimulatorProcess

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 300_000
FAULTS = ("latency=lognormal(40ms,0.6)", "error=503:0.01", "error=400:0.004", "stall=1500ms@17s")
STAGES = "[{rate: 20, for_s: 8}, {to: 120, for_s: 12}, {rate: 120, for_s: 10}, {to: 20, for_s: 10}]"
OPTIONS = ["-u", "60", "-t", "40s", "--set", f"stages={STAGES}", "--set", "labels.build=1234"]
CRITERIA = "criteria=[p95(response_time) < 400ms, 'share(errors[429*]) < 1%']"
SHOTS = (
    ("report", 1280, 1480, "light"),
    ("report-dark", 1280, 1480, "dark"),
    ("report-phone", 390, 1400, "light"),
    ("report-phone-dark", 390, 1400, "dark"),
)


def main() -> int:
    """Return the exit code: 1 where a picture is larger than it may be."""
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder))
        _shoot((Path(folder) / "runs" / "latest" / "report.html").resolve())
    too_large = [path for path in PICTURES.iterdir() if path.stat().st_size > MOST_BYTES]
    for path in too_large:
        print(f"{path} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}")
    return bool(too_large)


def _run(folder: Path) -> None:
    faults = [word for fault in FAULTS for word in ("--fault", fault)]
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfile.py"), "--headless"]
    with SimulatorProcess(*faults) as simulator:
        # Not checked: the faults make the run fail its criteria.
        subprocess.run(
            [*command, "-H", simulator.url, *OPTIONS, "--set", CRITERIA],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=180,
            check=False,
        )


def _shoot(report: Path) -> None:
    PICTURES.mkdir(exist_ok=True)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        ) as browser,
    ):
        for name, width, height, scheme in SHOTS:
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto(report.as_uri())
            page.screenshot(path=PICTURES / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
