"""Several processes that train one network: starting them, and what they share."""

import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Shaped
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, distributed, nn
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from src import errors

Train = Callable[[DictConfig], dict[str, float]]


class RankError(ValueError):
    """A rank ended with an error that a person can mend; the message is the rank's."""


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


def must_be_launched(trainer: DictConfig) -> bool:
    """Tell whether a training needs ranks that neither torchrun nor SLURM has started.

    Raises: ValueError: if the devices do not fit the strategy or the number of machines.
    """
    started = 1
    if TorchElasticEnvironment.detect():
        started = int(os.environ["WORLD_SIZE"])
    elif SLURMEnvironment.detect():
        started = int(os.environ["SLURM_NTASKS"])
    if started > 1 and not str(trainer.strategy).startswith("ddp"):
        raise ValueError(
            f"{started} processes were started with trainer.strategy={trainer.strategy}: expected "
            "one. trainer=ddp or trainer=gpu_multi takes more"
        )
    if started > 1 or TorchElasticEnvironment.detect():
        return False
    count = _device_count(trainer)
    if trainer.num_nodes > 1:
        raise ValueError(
            f"trainer.num_nodes={trainer.num_nodes}: start one process a device, with torchrun "
            "or SLURM's srun"
        )
    if count > 1 and not str(trainer.strategy).startswith("ddp"):
        raise ValueError(
            f"trainer.devices={trainer.devices} with trainer.strategy={trainer.strategy}: "
            "expected one device. trainer=ddp or trainer=gpu_multi takes more"
        )
    return count > 1


def _device_count(trainer: DictConfig) -> int:
    devices = trainer.devices
    if devices == 0:
        raise ValueError("trainer.devices=0: expected at least one, or -1 for all")
    if isinstance(devices, int) and devices > 0:
        return devices
    if OmegaConf.is_list(devices):
        return len(devices)
    return 1 if trainer.accelerator == "cpu" else max(1, torch.cuda.device_count())


def launch(train: Train, config: DictConfig) -> dict[str, float]:
    """Run `train` in one process a device of this machine. Returns: what it returns on rank 0.

    Raises: RankError: if a rank ended with an error.
    """
    count = _device_count(config.trainer)
    for name in logging.root.manager.loggerDict:
        if name.startswith(("torch.distributed.elastic", "torch.multiprocessing")):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the ranks say it better
    threads = str(max(1, (os.cpu_count() or 1) // count))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    own_setting = os.environ.setdefault("OMP_NUM_THREADS", threads)
    plain = cast(Any, OmegaConf.to_container(config))
    with tempfile.TemporaryDirectory() as folder:
        try:
            how = LaunchConfig(
                min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0,
                rdzv_backend="c10d", rdzv_endpoint="localhost:0", run_id=uuid.uuid4().hex,
                logs_specs=DefaultLogsSpecs(log_dir=folder),
            )  # fmt: skip
            return cast(dict[str, float], elastic_launch(how, _rank)(train, plain, folder)[0])
        except ChildFailedError as error:
            said = sorted(Path(folder).glob("rank*.txt"))
            if not said:
                raise
            raise RankError(said[0].read_text()) from error
        except SignalException as error:
            sys.exit(errors.status_of(error.sigval))
        finally:
            if own_setting == threads:
                os.environ.pop("OMP_NUM_THREADS")
            for number, handler in before.items():
                signal.signal(number, handler)


def _rank(train: Train, config: dict[str, Any], folder: str) -> dict[str, float]:
    rank = int(os.environ["RANK"])
    # It was set when lightning was imported, which is before a process learns its rank.
    cast(Any, rank_zero_only).rank = rank
    try:
        with errors.ending_at_sigterm():
            return train(OmegaConf.create(config))
    except Exception as error:
        if not errors.is_expected(error) or os.environ.get("HYDRA_FULL_ERROR"):
            raise
        (Path(folder) / f"rank{rank}.txt").write_text(errors.in_one_line(error))
        sys.exit(1)


class EndAtSigterm(Callback):
    """Lets SIGTERM end a rank at once.

    Lightning's own handler tells the other ranks by a collective, while they may be in another one.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)

    def on_test_start(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)
