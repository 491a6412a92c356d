"""One line of the bench: a ratio, its range, and whether it meets its target."""

import os
import resource
import statistics
import sys
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def row(name: str, ratios: list[float], target: str | None, said: str) -> dict[str, Any]:
    """Make a row. Args: target: such as "at most 1.2"; None where nobody has set one."""
    middle, bound = statistics.median(ratios), float((target or "0").split()[-1])
    met = middle >= bound if (target or "").startswith("at least") else middle <= bound
    return {
        "row": name,
        "ratio": middle,
        "low": min(ratios),
        "high": max(ratios),
        "target": target,
        "met": met if target else None,
        "measured": said,
    }


def peak_gigabytes() -> float:
    """Return the most memory that this process had. Elsewhere than on Linux, also its parent's."""
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def without_openmp() -> dict[str, str]:
    """Return an environment in which a command settles itself how its threads wait."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
