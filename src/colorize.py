"""Colourise photographs: python -m src.colorize PHOTO ... --checkpoint best.ckpt --output out/"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from src.checkpoint import load_generator
from src.images import read_rgb, write_image
from src.inference import colorize


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m src.colorize",
        description="Colourise photographs at their full size. Originals are never changed.",
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="a picture file")
    parser.add_argument("--checkpoint", required=True, type=Path, help="a trained .ckpt")
    parser.add_argument("--output", required=True, type=Path, help="folder for the PNG files")
    options = parser.parse_args(arguments)
    try:
        failed = run(options.photos, options.checkpoint, options.output)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(1 if failed else 0)


def run(photos: list[Path], checkpoint: Path, output: Path) -> int:
    """Colourise each photo to `output`/<name>.png. Returns: how many could not be read.

    Raises: ValueError: if the checkpoint is refused, or a result would overwrite something.
    """
    targets = [output / f"{photo.stem}.png" for photo in photos]
    for photo, target in zip(photos, targets, strict=True):
        if targets.count(target) > 1:
            raise ValueError(f"more than one photo would become {target}: colourise them apart")
        if target.resolve() == photo.resolve():
            raise ValueError(f"{target} is the photo itself: choose another --output")
    trained = load_generator(checkpoint)
    failed = 0
    for photo, target in zip(photos, targets, strict=True):
        try:
            rgb = torch.from_numpy(np.array(read_rgb(photo))).permute(2, 0, 1)
        except ValueError as error:
            print(f"{photo}: {error}", file=sys.stderr)
            failed += 1
            continue
        colored = colorize(rgb, trained.network, trained.image_size)
        write_image(Image.fromarray(colored.permute(1, 2, 0).numpy()), target)
        print(f"{photo} -> {target}")
    return failed


if __name__ == "__main__":
    main()
