"""Judge colourisers: checkpoints and other programs' pictures, always beside what needs no network.

python -m src.evaluate checkpoints=[A.ckpt,B.ckpt] data.root=DIR protocol=stretch256
"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is imported lives to the end: looking for garbage in it takes a second

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src import errors, files
from src.commands.command import command, require_given
from src.evaluation import evaluation


@command("evaluate")
def main(config: DictConfig) -> None:
    with errors.ending_for_people():
        require_given(config, "data.root")
        folder = Path(HydraConfig.get().runtime.output_dir)
        typed = list(HydraConfig.get().overrides.task)
        verdict = evaluation.evaluate(config, folder, typed)
        print(verdict.text)
        print(f"The page: {files.from_here(folder / evaluation.PAGE)}")
        print(f"Everything is in {files.from_here(folder)}")
    if verdict.faults:
        sys.exit(1)


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    main()
