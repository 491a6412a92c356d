"""How OpenMP's threads wait for each other: settled before torch is imported, which reads it once.

By default they spin for milliseconds at every barrier, which is best on an idle machine. Beside
other work a thread then spins for one that does not even run, and training takes several times as
long.
"""

import os
import statistics
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path

SPINS = "10000"  # a fifth of a millisecond: nearly the default's speed, and harmless beside others
SAMPLES, APART_S = 3, 0.01


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads sleep on a machine that has other work, and else spin for a short time.

    A person's own OMP_* or GOMP_* settings stay as they are, and other systems' defaults do.
    """
    own = any(name.startswith(("OMP_", "GOMP_")) for name in environment)
    if own or sys.platform != "linux" or "torch" in sys.modules:
        return
    if has_other_work():
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    else:
        environment["GOMP_SPINCOUNT"] = SPINS


def has_other_work(loadavg: Path = Path("/proc/loadavg")) -> bool:
    """Tell whether the threads of this process would have to share a core with others' work.

    Args: loadavg: whose fourth field counts the threads of the whole machine that run or want to.
    """
    running = []
    try:
        for _ in range(SAMPLES):
            running.append(int(loadavg.read_text().split()[3].partition("/")[0]))
            time.sleep(APART_S)
    except (OSError, ValueError, IndexError):
        return False
    others = statistics.median(running) - 1  # less this one
    return others + len(os.sched_getaffinity(0)) > (os.cpu_count() or 1)
