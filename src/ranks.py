"""Which process this is of the several that train one network, and what they share."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from jaxtyping import Shaped
from torch import Tensor, distributed, nn

MOST_WORKERS = 8


def is_zero() -> bool:
    """Tell whether this process is the one of all ranks that prints and writes."""
    from lightning.pytorch.utilities import rank_zero_only  # seconds, which not everybody needs

    return bool(cast(Any, rank_zero_only).rank == 0)


def this_and_all() -> tuple[int, int]:
    """Return this process's rank, and how many ranks there are."""
    if not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def summed(tensor: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Sum a tensor over all ranks; it must lie on the device that the network is on."""
    if this_and_all()[1] > 1:
        tensor = tensor.clone()
        distributed.all_reduce(tensor)
    return tensor


def mean(tensor: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Average a tensor over all ranks, as `summed`."""
    return summed(tensor) / this_and_all()[1]


def default_workers() -> int:
    """Return how many processes may read pictures for this rank: one a core, up to 8."""
    return max(1, min(MOST_WORKERS, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))))


def cores() -> int:
    """Count the cores that this process may use: by its affinity and its cgroups' quotas."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return math.ceil(min(allowed, cpu_quota()))


def cpu_quota(system: Path = Path("/")) -> float:
    """Return how many cores' time the cgroups of this process allow, as containers have them.

    Args: system: where proc/ and sys/ are.
    Returns: infinity where nothing is said.
    Source: the Linux kernel's documentation of cgroup v1 (cpu.cfs_quota_us) and v2 (cpu.max).
    """
    mount = system / "sys/fs/cgroup"
    folders = [mount]
    with suppress(OSError):
        for line in (system / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "cpu" in controllers.split(","):
                places = [mount / controllers, mount / "cpu"]
            else:  # v2 has one hierarchy, which names no controllers
                places = [] if controllers else [mount, mount / "unified"]
            for place in places:
                inside = place / path.lstrip("/")
                folders += [inside, *inside.parents]
    return min(map(_quota, folders))


def _quota(folder: Path) -> float:
    with suppress(OSError, ValueError):  # "max" is no number
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    with suppress(OSError, ValueError):
        time = int((folder / "cpu.cfs_quota_us").read_text())  # -1 means no quota
        return time / int((folder / "cpu.cfs_period_us").read_text()) if time > 0 else math.inf
    return math.inf


@contextmanager
def averaged_gradients(strategy: Any, optimizer: Any) -> Iterator[None]:
    """Give every rank the mean of all ranks' gradients from a backward pass in the block.

    Lightning's DDP would send those of all networks, and a GAN's step is of one alone.

    Args: strategy: Lightning's. optimizer: of the parameters that the step is of.
    """
    count = this_and_all()[1]
    if count == 1:
        yield
        return
    with strategy.block_backward_sync():
        yield
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    gradients = [one.grad for one in parameters if one.grad is not None]
    for work in [distributed.all_reduce(gradient, async_op=True) for gradient in gradients]:
        cast(Any, work).wait()
    for gradient in gradients:
        gradient.div_(count)


def share_buffers(module: nn.Module) -> None:
    """Give every rank the buffers of rank 0: each has gathered its own batch-norm statistics."""
    if this_and_all()[1] > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, src=0)
