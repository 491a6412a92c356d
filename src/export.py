"""Export a checkpoint: python -m src.export best.ckpt --output model.onnx, or .safetensors"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from src import errors, files, images
from src.colorizers import onnx, trained
from src.colorizers.checkpoint import WEIGHTS_SUFFIX
from src.colorizers.colorizer import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, VIEWS
from src.colorizers.trained import Trained
from src.errors import UserError, require_whole
from src.inference.lightness import small_lightness


def main(arguments: list[str] | None = None) -> None:
    parser = errors.Parser(
        prog="python -m src.export",
        description="Write a trained generator as ONNX, for any size and batch, and check it "
        "against PyTorch; or only its weights, as float16 safetensors. "
        "python -m src.colorize takes either file as its --checkpoint.",
    )
    several = "a trained .ckpt; of several of one network, the mean of their weights is written "
    several += "(.safetensors), which often errs less than each of them"
    parser.add_argument("checkpoint", type=Path, nargs="+", help=several)
    parser.add_argument(
        "--output", "-o", required=True, type=Path, help="the .onnx or .safetensors to write"
    )
    size = "short side in pixels at which pictures are to be shown (as trained)"
    parser.add_argument("--size", type=errors.whole, metavar="PIXELS", help=size)
    views = "predictions that are to be averaged: see src.colorize --help (as the checkpoint says)"
    parser.add_argument("--views", type=errors.whole, choices=VIEWS, help=views)
    temperature = "of a network that predicts classes: of their annealed mean, over 0 to 1; none: "
    temperature += "the colours of its other head, where it has one (as trained)"
    parser.add_argument("--temperature", metavar="T", help=temperature)
    branch = "write only this part of the network, as lite0_hints has hints (.safetensors)"
    parser.add_argument("--branch", metavar="NAME", help=branch)
    given = parser.parse_args(arguments)
    with errors.ending_for_people():
        settings = _settings(given.temperature)
        if given.size is not None:
            require_whole("--size", given.size, MIN_IMAGE_SIZE, MAX_IMAGE_SIZE)
        if given.output.suffix == WEIGHTS_SUFFIX:
            others = (given.size, given.views, settings, given.branch)
            trained.save_weights(given.checkpoint, given.output, *others)
        elif given.branch is not None:
            raise UserError(f"--branch {given.branch}: expected an --output of {WEIGHTS_SUFFIX}")
        elif len(given.checkpoint) > 1:
            said = f"{len(given.checkpoint)} checkpoints: expected an --output of {WEIGHTS_SUFFIX}"
            raise UserError(f"{said}, which can be exported as {given.output.name} then")
        elif given.output.suffix == ".onnx":
            colorizer = trained.load(given.checkpoint[0], settings)
            _export_onnx(colorizer, given.output, given.size, given.views)
        else:
            said = f"expected a name that ends in .onnx or {WEIGHTS_SUFFIX}"
            raise UserError(f"--output {given.output}: {said}")
        use = ("src.colorize", "PHOTO", "--checkpoint", given.output, "--output", "out/")
        if given.branch is None:
            print(f"To use it: {files.to_paste('python', '-m', *use)}")


def _settings(temperature: str | None) -> dict[str, float | None]:
    """Read --temperature as a setting of the generator."""
    if temperature is None:
        return {}
    if temperature == "none":
        return {"temperature": None}
    try:
        return {"temperature": float(temperature)}
    except ValueError:
        said = f"--temperature {temperature}: expected a number over 0, at most 1, or none"
        raise UserError(said) from None


def _export_onnx(colorizer: Trained, output: Path, size: int | None, views: int | None) -> None:
    colorizer.image_size = size or colorizer.image_size
    colorizer.views = views or colorizer.views
    if colorizer.takes_hints:
        print("ONNX leaves the branch for hints out: they correct its colours without having it")
    checked_on = pictures(colorizer.image_size)
    error = onnx.export(colorizer, output, checked_on)
    print(f"largest difference of ab from PyTorch's on {len(checked_on)} pictures: {error:.1e}")


def pictures(image_size: int) -> list[Float[Tensor, "_ 1 _ _"]]:
    """L that an export is checked on: of photographs that come with scikit-image, and random."""
    checked = [
        small_lightness(page.samples, image_size)
        for path in package_photos()
        for page in images.Photo(path).pages()
    ]
    generator = torch.Generator().manual_seed(0)
    # Larger ones too: what a network does only with them would else go unseen.
    larger = (1, 2 * image_size + 5, 2 * image_size)
    for batch, height, width in ((1, image_size, image_size), larger, (3, 37, 50), (2, 70, 33)):
        checked.append(torch.rand(batch, 1, height, width, generator=generator) * 2 - 1)
    return checked


def package_photos() -> list[Path]:
    """Photographs that come with scikit-image."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    return [folder / f"{name}.png" for name in ("astronaut", "camera", "chelsea", "coffee")]


if __name__ == "__main__":
    main()
