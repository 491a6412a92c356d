"""Judge a data set that has a split, without changing it: leaks, duplicates, grey, colours.

python -m src.audit data.root=DIR
"""

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src import errors, files
from src.commands.command import command, require_given, workers
from src.curation import leaks
from src.errors import require_number, require_whole
from src.images.grey import Rules

LEAKS = 3  # exit status; 1 and 2 are those of mistakes


@command("audit")
def main(config: DictConfig) -> None:
    with errors.ending_for_people():
        require_given(config, "data.root")
        root = Path(str(config.data.root)).expanduser()
        require_whole("min_size", config.min_size, 1)
        require_number("min_chroma_spread", config.min_chroma_spread, 0)
        require_number("one_hue", config.one_hue, 0, 1)
        limits = Rules(config.min_size, config.min_chroma_spread, config.one_hue)
        page = Path(HydraConfig.get().runtime.output_dir) / "audit.html"
        verdict = leaks.audit(root, limits, page, workers(config))
        print(verdict.text)
        print(f"What was found: {files.from_here(page)}")
    if verdict.leaks:
        sys.exit(LEAKS)


if __name__ == "__main__":
    main()
