"""One line of the bench: a ratio, its range, and whether it meets its target."""

import statistics
from typing import Any


def row(name: str, ratios: list[float], target: str, said: str) -> dict[str, Any]:
    middle, bound = statistics.median(ratios), float(target.split()[-1])
    met = middle <= bound if target.startswith("at most") else middle >= bound
    return {
        "row": name,
        "ratio": middle,
        "low": min(ratios),
        "high": max(ratios),
        "target": target,
        "met": met,
        "measured": said,
    }
