"""Which process this is of the several that train one network, and what they share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from jaxtyping import Shaped
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, distributed, nn


def is_zero() -> bool:
    """Tell whether this process is the one of all ranks that prints and writes."""
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
