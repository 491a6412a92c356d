"""Starting the processes that train one network together, and ending them."""

import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from src import errors, ranks
from src.errors import UserError

Train = Callable[[DictConfig], dict[str, float]]


class RankError(UserError):
    """A rank ended with an error that a person can mend; the message is the rank's."""


def must_be_launched(trainer: DictConfig) -> bool:
    """Tell whether a training needs ranks that neither torchrun nor SLURM has started.

    Raises: UserError: if the devices do not fit the strategy or the number of machines.
    """
    started = 1
    if TorchElasticEnvironment.detect():
        started = int(os.environ["WORLD_SIZE"])
    elif SLURMEnvironment.detect():
        started = int(os.environ["SLURM_NTASKS"])
    if started > 1 and not str(trainer.strategy).startswith("ddp"):
        raise UserError(
            f"{started} processes were started with trainer.strategy={trainer.strategy}: expected "
            "one. trainer=ddp or trainer=gpu_multi takes more"
        )
    if started > 1 or TorchElasticEnvironment.detect():
        return False
    count = _device_count(trainer)
    if trainer.num_nodes > 1:
        raise UserError(
            f"trainer.num_nodes={trainer.num_nodes}: start one process a device, with torchrun "
            "or SLURM's srun"
        )
    if count > 1 and not str(trainer.strategy).startswith("ddp"):
        raise UserError(
            f"trainer.devices={trainer.devices} with trainer.strategy={trainer.strategy}: "
            "expected one device. trainer=ddp or trainer=gpu_multi takes more"
        )
    return count > 1


def _device_count(trainer: DictConfig) -> int:
    devices = trainer.devices
    if devices == 0:
        raise UserError("trainer.devices=0: expected at least one, or -1 for all")
    if isinstance(devices, int) and devices > 0:
        return devices
    if OmegaConf.is_list(devices):
        return len(devices)
    return 1 if trainer.accelerator == "cpu" else max(1, torch.cuda.device_count())


def fit_devices(trainer: DictConfig) -> None:
    """Let a training that moves to other devices use them; data.batch_size counts all of them."""
    several = _device_count(trainer) > 1
    if several and not str(trainer.strategy).startswith("ddp"):
        trainer.strategy = "ddp"
    trainer.sync_batchnorm = several and not trains_on_cpu(cast(Any, trainer))


def trains_on_cpu(trainer: Mapping[str, Any]) -> bool:
    """Tell whether a training has no GPU, because it asks for none or none is there."""
    on_auto = trainer["accelerator"] == "auto" and not torch.cuda.is_available()
    return bool(trainer["accelerator"] == "cpu" or on_auto)


def launch(train: Train, config: DictConfig) -> dict[str, float]:
    """Run `train` in one process a device of this machine. Returns: what it returns on rank 0.

    Raises: RankError: if a rank ended with an error.
    """
    count = _device_count(config.trainer)
    for name in logging.root.manager.loggerDict:
        if name.startswith(("torch.distributed.elastic", "torch.multiprocessing")):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the ranks say it better
    threads = str(max(1, ranks.cores() // count))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    own_setting = os.environ.setdefault("OMP_NUM_THREADS", threads)
    plain = cast(Any, OmegaConf.to_container(config))
    with tempfile.TemporaryDirectory() as folder:
        try:
            how = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=count,
                max_restarts=0,
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",
                run_id=uuid.uuid4().hex,
                logs_specs=DefaultLogsSpecs(log_dir=folder),
            )
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


@contextmanager
def ending_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C leave the block as such: Lightning makes an end with status 1 of it."""
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


class EndAtSigterm(Callback):
    """Lets SIGTERM end a rank at once.

    Lightning's handler tells the other ranks by a collective, while they may be in another.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)

    def on_test_start(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)
