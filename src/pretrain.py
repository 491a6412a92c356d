"""Pretrain the encoder of a generator layer by layer, on grey pictures.

python -m src.pretrain model/generator=cnn data=folder data.root=DIR
"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is imported lives to the end: looking for garbage in it takes a second

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src import errors, files
from src.commands.command import command
from src.commands.overrides import key_of
from src.training import pretraining

NETWORK = ("size", "model.generator")  # what says how wide the encoder is


# Lightning's Trainer takes more than conf/ lists.
@command("pretrain", open_nodes=("trainer",))
def main(config: DictConfig) -> None:
    with errors.ending_for_people():
        encoder = files.from_here(pretraining.pretrain(config))
        chosen = HydraConfig.get()
        same = [one for one in chosen.overrides.task if key_of(one).startswith(NETWORK)]
        model = f"model={chosen.runtime.choices['model/generator']}"
        start = ("python", "-m", "src.train", model, f"model.init_encoder={encoder}", *same)
        print(f"To train from it: {files.to_paste(*start)} data=folder data.root=DIR")
        print(f"What each layer rebuilds: {encoder.with_name(pretraining.PANEL)}")
        print(f"Everything is in {encoder.parent}")


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    main()
