"""Judge a data set that has a split, without changing it: leaks, duplicates, grey, colours.

python -m src.audit data.root=DIR
"""

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from src import errors, files, ranks
from src.commands.command import command
from src.curation import leaks
from src.errors import UserError
from src.images.grey import Rules

LEAKS = 3  # exit status; 1 and 2 are those of mistakes


@command("audit")
def main(config: DictConfig) -> None:
    with errors.ending_for_people():
        if OmegaConf.is_missing(config.data, "root"):
            raise UserError("data.root is not given: add data.root=DIR to the command")
        root = Path(str(config.data.root)).expanduser()
        limits = Rules(config.min_size, config.min_chroma_spread, config.one_hue)
        workers = ranks.default_workers() if config.num_workers is None else config.num_workers
        page = Path(HydraConfig.get().runtime.output_dir) / "audit.html"
        verdict = leaks.audit(root, limits, page, workers)
        print(verdict.text)
        print(f"What was found: {files.from_here(page)}")
    if verdict.leaks:
        sys.exit(LEAKS)


if __name__ == "__main__":
    main()
