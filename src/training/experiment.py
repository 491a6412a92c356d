"""One experiment from its configuration to its folder: fit, test, and what is said and kept."""

import logging
import warnings
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from src import files, ranks
from src.data.crops import mixed_seed
from src.data.datamodule import ColorizationData
from src.errors import UserError, require, require_one_of
from src.training import flags, launcher, loggers, metrics_csv, run_folder, summary, validation
from src.training.checkpointing import WholeCheckpointIO
from src.training.module import ColorizationModule
from src.training.picture_record import PictureRecord

NEEDED = ("callbacks.throughput", "callbacks.best", "callbacks.last", "logger.csv")


def train(config: DictConfig) -> dict[str, float]:
    """Run one experiment and leave its folder. Returns: the test figures by name.

    Raises: UserError: if the configuration makes no sense, or the folder is another run's.
    """
    config = run_folder.self_contained(config)
    folder = Path(config.run.folder)
    _check(config, folder)
    with run_folder.locked(folder), launcher.ending_by_ctrl_c():
        must_launch = launcher.must_be_launched(config.trainer)
        return launcher.launch(_train, config) if must_launch else _train(config)


def _train(config: DictConfig) -> dict[str, float]:
    folder = Path(config.run.folder)
    quieten()
    epochs = _prepare(config, folder)
    data: ColorizationData = instantiate(config.data)
    data.first_epoch = epochs
    data.overfit_batches = config.trainer.overfit_batches
    if config.resume is not None:
        data.recorded = run_folder.pictures(folder)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    model: ColorizationModule = instantiate(config.model)
    _require_judgeable(model, data)
    _require_attention(model, config.callbacks.get("attention", False))
    callbacks = _instantiate_each(config.callbacks)
    log_to = [] if config.trainer.fast_dev_run else _instantiate_each(config.logger)
    with flags.named():
        trainer: lightning.Trainer = instantiate(
            config.trainer,
            callbacks=[
                *callbacks,
                launcher.EndAtSigterm(),
                PictureRecord(folder),
                _when_pictures_are_found(config, epochs),
                _seeded_by_epoch(config.seed),
            ],
            logger=log_to,
            plugins=[WholeCheckpointIO()],
            overfit_batches=0.0,  # which data has seen to: Lightning would replace its loaders
        )
    cast(Any, trainer).pruned = False  # until a callback says so
    for logger in trainer.loggers:
        logger.log_hyperparams(cast(Any, OmegaConf.to_container(config, resolve=True)))
    try:
        checkpoint = str(folder / run_folder.LAST) if epochs else None
        with flags.named():
            trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        figures = {} if cast(Any, trainer).pruned else _test(trainer, model, data)
    except BaseException as error:
        loggers.finish(failed=True)
        _say_what_is_left(folder, error)
        raise
    if config.trainer.fast_dev_run:
        loggers.finish(failed=False)
        rank_zero_only(print)("Training, validation and test run. No figures or checkpoints stay")
        return figures
    if trainer.is_global_zero:  # another has no folder where a launcher of others started it
        _conclude(trainer, model, data, config, figures)
    return figures


def _conclude(
    trainer: lightning.Trainer,
    model: ColorizationModule,
    data: ColorizationData,
    config: DictConfig,
    figures: dict[str, float],
) -> None:
    """Keep how a run ended, and say it."""
    folder, pruned = Path(config.run.folder), cast(Any, trainer).pruned
    run_folder.write_result(
        folder,
        "pruned" if pruned else "done",
        reason=f"after {trainer.current_epoch} epochs" if pruned else "",
        score=cast(Any, trainer.checkpoint_callback).best_model_score.item(),
        figures=figures | _cost(model, folder),
    )
    upload = loggers.finish(failed=False)
    print(summary.fit_line(_fit(folder), len(data.eval_pictures("train", data.fit_images))))
    if figures:
        told = ", told hints" if model.generator.takes_hints else ""
        row = f"{config.run.model}, best.ckpt{told}"
        print(summary.test_table(figures, row, data.protocol))
    print(summary.closing(files.from_here(folder), data.next_step, upload))


def _seeded_by_epoch(seed: int) -> LambdaCallback:
    """Let what is drawn in training, as by dropout, not depend on where a run was resumed."""

    # Not when an epoch starts: but for a process's first one, the loader draws a number after that.
    def draw_anew(trainer: lightning.Trainer, *batch: Any) -> None:
        if batch[-1] == 0:
            torch.manual_seed(mixed_seed(seed, trainer.current_epoch, trainer.global_rank))

    return LambdaCallback(on_train_batch_start=draw_anew)


def _when_pictures_are_found(config: DictConfig, epochs: int) -> LambdaCallback:
    """Keep what stood beside resume=, and that the run has not ended, not before it works."""

    @rank_zero_only
    def keep(*_: Any) -> None:
        folder = Path(config.run.folder)
        run_folder.store_config(config)
        (folder / run_folder.RESULT).unlink(missing_ok=True)
        if config.resume is not None:
            metrics_csv.keep_epochs(folder / "metrics.csv", epochs)

    return LambdaCallback(on_fit_start=keep)


@rank_zero_only
def _say_what_is_left(folder: Path, error: BaseException) -> None:
    print(f"The run stopped early. What it made is in {files.from_here(folder)}", flush=True)
    # Anything else, such as a mistake, would end it again.
    if isinstance(error, SystemExit | KeyboardInterrupt | OSError):
        print(f"To resume it: {run_folder.resume_command(folder)}", flush=True)


def _cost(model: ColorizationModule, folder: Path) -> dict[str, float]:
    """Return the generator's parameters, and how fast the last epoch was."""
    rates = [row["train/images_per_s"] for row in metrics_csv.read(folder / "metrics.csv")]
    parameters = sum(one.numel() for one in model.generator.parameters())
    return {"parameters": parameters, "images_per_s": float([*filter(None, rates)][-1])}


def _fit(folder: Path) -> dict[str, float]:
    rows = metrics_csv.read(folder / "metrics.csv")
    last = [row for row in rows if row.get("fit/ab_mae")][-1]
    return {name: float(value) for name, value in last.items() if name.startswith("fit/")}


def _check(config: DictConfig, folder: Path) -> None:
    run_folder.require_whole_config(config)
    for part in NEEDED:
        if OmegaConf.select(config, part) is None:
            raise UserError(f"{part} cannot be left out: what is said and kept of a run needs it")
    if config.resume is None and (folder / "metrics.csv").exists():
        raise UserError(f"{folder} holds another run: choose another hydra.run.dir")
    if config.resume is None:
        _require_encoder(config.model)
    flags.check(config.trainer)
    known = [f"{subset}/{name}" for subset in ("val", "fit") for name in validation.FIGURES]
    require_one_of("monitor", config.monitor, known)
    figure = config.monitor.split("/")[1]
    better = validation.BETTER.get(figure, ("min", "max"))
    require_one_of(f"monitor={config.monitor} mode", config.mode, better)


def _require_encoder(model: DictConfig) -> None:
    encoder = model.init_encoder
    if encoder and not Path(encoder).exists():
        generator = model.generator._target_.split(".")[-2]
        raise UserError(
            f"model.init_encoder={encoder}: there is no such file: python -m src.pretrain "
            f"model/generator={generator} data=folder data.root=DIR "
            f"hydra.run.dir={Path(encoder).parent} makes an encoder.ckpt there"
        )


def _require_judgeable(model: ColorizationModule, data: ColorizationData) -> None:
    least = 0 if model.discriminator is None else model.discriminator.min_size
    if data.image_size < least:
        raise UserError(
            f"data.image_size={data.image_size}: expected at least {least}, the smallest pictures "
            f"that {type(model.discriminator).__name__} can judge, or model/discriminator=none"
        )


def _require_attention(model: ColorizationModule, asked: object) -> None:
    require(isinstance(asked, bool), "callbacks.attention", asked, "true or false")
    if asked and not model.generator.has_attention:
        raise UserError(
            "callbacks.attention=true: expected a generator with attention maps, such as "
            "model=attention_unet"
        )


def _prepare(config: DictConfig, folder: Path) -> int:
    """Make a new run's folder, or set back an interrupted one. Returns: the epochs it has done."""
    if config.resume is None:
        run_folder.store_config(config)
        return 0
    epochs = run_folder.completed(folder)
    if ranks.is_zero():
        print(f"resuming {files.from_here(folder)} after {epochs} completed epochs")
        for torn in (folder / "checkpoints").glob(".*.part"):
            torn.unlink()
    return epochs


def _test(
    trainer: lightning.Trainer, model: ColorizationModule, data: ColorizationData
) -> dict[str, float]:
    best = cast(Any, trainer.checkpoint_callback).best_model_path or None
    if not best and not cast(Any, trainer).fast_dev_run:
        raise UserError(
            "training ended before a validation, so there is no best.ckpt: raise "
            "trainer.max_epochs, or check the limits and intervals of the trainer"
        )
    tested = trainer.test(model, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
    return dict(tested[0]) if tested else {}


def _instantiate_each(nodes: DictConfig) -> list[Any]:
    made = instantiate(nodes, _convert_="all").values()
    return [part for part in made if not isinstance(part, bool | None)]


def quieten() -> None:
    """Hush Lightning's advertisements, and its notes on what the configuration chose on purpose."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # what it was asked for
    for message in (
        ".*does not have many workers.*",
        ".*log_every_n_steps.*",
        ".*is not empty.*",
        ".*in eval mode at the start of training.*",  # what is frozen
        ".*LeafSpec.*",
        ".*`IterableDataset` has `__len__` defined.*",
    ):
        warnings.filterwarnings("ignore", message)
