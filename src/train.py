"""Train a colouriser: compose -> fit -> test.

python -m src.train model=unet_gan data=folder data.root=DIR trainer=gpu
"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is imported lives to the end: looking for garbage in it takes a second

import importlib
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src import errors, files
from src.commands.command import command
from src.sweeps import sweep
from src.training import experiment, run_folder


# Lightning's Trainer takes more than conf/ lists, and a loss says itself what it takes.
@command(
    "train",
    open_nodes=("trainer", "model.loss.adversarial"),
    beside_resume=run_folder.BESIDE_RESUME,
)
def main(config: DictConfig) -> float | None:
    with errors.ending_for_people():
        if sweep.is_job():
            return sweep.run_job(config, experiment.train)
        if config.resume is not None:
            config = run_folder.resumed(config, HydraConfig.get().overrides.task)
            if run_folder.is_finished(config):
                place = files.from_here(Path(config.run.folder))
                print(f"{place} is finished: trainer.max_epochs=N beside resume= extends it")
                return None
        experiment.train(config)
    return None


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    # Launchers send functions to other processes by name, which there must not mean __main__.
    importlib.import_module("src.train").main()
