from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from src import color
from src.data.crops import EpochShuffle, EvalPictures, Picture, TrainPictures, cut, resized
from src.data.folder import FolderData
from src.data.sample import FOLDER


@pytest.fixture
def wide(tmp_path: Path) -> Picture:
    """64x32 pixels: red at the left, green in the middle, blue at the right."""
    image = Image.new("RGB", (64, 32), (0, 255, 0))
    image.paste((255, 0, 0), (0, 0, 16, 32))
    image.paste((0, 0, 255), (48, 0, 64, 32))
    image.save(tmp_path / "wide.png")
    return Picture(tmp_path / "wide.png", "wide")


def test_a_centre_crop_keeps_shapes_and_a_stretch_keeps_everything(wide: Picture) -> None:
    cropped = EvalPictures([wide], 32, "crop")[0]["rgb"]
    stretched = EvalPictures([wide], 32, "stretch")[0]["rgb"]
    assert cropped[1].min() == 255  # green alone
    assert stretched[:, 16, 2].tolist() == [255, 0, 0]
    assert stretched[:, 16, 29].tolist() == [0, 0, 255]


def test_training_crops_move_and_flip_as_their_seed_says(wide: Picture) -> None:
    pictures = TrainPictures([wide], 32, zooms=(1.12, 1.12))
    crops = [pictures[0, seed]["rgb"] for seed in range(40)]
    assert torch.equal(pictures[0, 7]["rgb"], crops[7])
    assert len({crop.numpy().tobytes() for crop in crops}) > 20
    left_is_red = [bool(crop[0, 16, 0] > 200) for crop in crops if crop[0].max() > 200]
    assert set(left_is_red) == {True, False}  # red can only stand at the right of a flipped crop


def test_only_training_decodes_large_jpegs_at_a_reduced_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def decode(image: ImageFile.ImageFile) -> object:
        decoded.append(image.size)
        return load(image)

    Image.new("RGB", (400, 300)).save(tmp_path / "large.jpg")
    picture = Picture(tmp_path / "large.jpg", "large")
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    assert EvalPictures([picture], 32, "crop")[0]["rgb"].shape == (3, 32, 32)
    assert TrainPictures([picture], 32, (1.12, 1.12))[0, 0]["rgb"].shape == (3, 32, 32)
    assert {*decoded} == {(400, 300), (50, 38)}


def test_a_training_crop_is_what_pillow_makes_of_its_place() -> None:
    photo = Image.open(sorted(FOLDER.glob("*.webp"))[0]).convert("RGB")
    expected = resized(photo.crop((10, 20, 100, 110)), 64, None)
    apart = cut(photo, 64, (9.8, 20.3, 100.1, 109.6)).int() - expected.int()
    assert apart.abs().max() <= 1
    assert cut(photo, 64, (3.4, 3.4, 3.6, 3.6)).shape == (3, 64, 64)


def test_an_epochs_order_depends_on_seed_and_epoch_alone() -> None:
    def epoch(seed: int, number: int) -> list[tuple[int, int]]:
        sampler = EpochShuffle([""] * 50, seed)
        sampler.set_epoch(number)
        return list(sampler)

    assert epoch(0, 1) == epoch(0, 1)
    assert sorted(i for i, _ in epoch(0, 1)) == list(range(50))
    orders = [epoch(0, 0), epoch(0, 1), epoch(1, 0), epoch(1, 1)]
    assert len({tuple(order) for order in orders}) == 4


def test_a_crop_draws_its_zoom_between_two_and_so_shows_more_or_less(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1)))
    ramp.save(tmp_path / "ramp.png")
    crops = TrainPictures([Picture(tmp_path / "ramp.png", "ramp")], 32, (1.0, 2.0))
    spans = [int(rgb.max()) - int(rgb.min()) for rgb in (crops[0, i]["rgb"] for i in range(40))]
    assert min(spans) < 150
    assert max(spans) > 220
    assert all(120 < span < 256 for span in spans)


def test_an_epoch_shows_no_more_of_a_folder_than_it_may_and_others_the_next_time() -> None:
    folders = ["large"] * 40 + ["small"] * 5

    def epoch(number: int) -> set[int]:
        sampler = EpochShuffle(folders, 0, max_per_folder=10)
        sampler.set_epoch(number)
        assert len(sampler) == len([*sampler]) == 15
        return {index for index, _ in sampler}

    large = {*range(40)}
    first, second = epoch(0), epoch(1)
    assert len(first & large) == len(second & large) == 10
    assert first - large == second - large == {*range(40, 45)}
    assert first & large != second & large


@pytest.mark.parametrize("crops", [4, 10, 25])
def test_epochs_of_any_length_go_on_where_the_one_before_ended(crops: int) -> None:
    def epochs(*own: int | None) -> list[tuple[int, int]]:
        sampler, shown = EpochShuffle([""] * 10, 0, 0, 1, None, *own), []
        for number in range(100 // sampler.crops):
            sampler.set_epoch(number)
            assert len(sampler) == len([*sampler]) == sampler.crops
            shown += [*sampler]
        return shown

    assert epochs(crops) == epochs(None)


def test_training_shows_pictures_in_other_tones_and_evaluation_as_they_are(photos: Path) -> None:
    data = FolderData(
        root=str(photos), report_dir="run", image_size=32, batch_size=8, num_workers=0, tone=0.5
    )
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    true_L, true_ab = color.uint8_to_L_ab(batch["rgb"])
    made = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(made["ab"], true_ab)
    powers = (((made["L"] + 1) / 2).log() / ((true_L + 1) / 2).log()).nanmedian()
    spread = batch["tone"]
    assert 1 / 1.5 <= spread.min() < 1 < spread.max() <= 1.5
    assert spread.min() < powers < spread.max()
    assert (made["L"].mean(dim=(1, 2, 3)) > true_L.mean(dim=(1, 2, 3))).equal(spread < 1)
    judged = data.on_after_batch_transfer(next(iter(data.all_of("val"))), 0)
    torch.testing.assert_close(
        judged["L"], color.uint8_to_L_ab(next(iter(data.all_of("val")))["rgb"])[0]
    )


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    Image.new("RGB", (3, 5), "red").save(tmp_path / "small.png")
    picture = Picture(tmp_path / "small.png", "small")
    assert EvalPictures([picture], 32, "crop")[0]["rgb"].shape == (3, 32, 32)
    assert TrainPictures([picture], 32, (1.12, 1.12))[0, 0]["rgb"].shape == (3, 32, 32)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_yield_uint8_and_the_device_makes_lab(photos: Path, workers: int) -> None:
    data = FolderData(
        root=str(photos), report_dir="run", image_size=32, batch_size=4, num_workers=workers
    )
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["rgb"].dtype == torch.uint8
    with torch.autocast("cpu", torch.bfloat16):
        made = data.on_after_batch_transfer(batch, 0)
    assert made["L"].dtype == made["ab"].dtype == torch.float32
    back = color.L_ab_to_rgb(made["L"], made["ab"])
    assert torch.equal((back * 255).round().to(torch.uint8), batch["rgb"])
    assert len(made["name"]) == 4


def test_mean_ab_is_the_mean_over_training_pictures(photos: Path) -> None:
    data = FolderData(
        root=str(photos), report_dir="run", image_size=32, batch_size=5, num_workers=0
    )
    data.setup("fit")
    pictures = data.eval_pictures("train")
    means = [
        color.uint8_to_L_ab(pictures[i]["rgb"][None])[1].mean(dim=(0, 2, 3))
        for i in range(len(pictures))
    ]
    torch.testing.assert_close(data.mean_ab(torch.device("cpu")), torch.stack(means).mean(dim=0))


def test_repeat_lengthens_the_epoch_only(photos: Path) -> None:
    sizes = {}
    for repeat in (1, 3):
        data = FolderData(
            root=str(photos), report_dir="run", image_size=32, batch_size=1, repeat=repeat
        )
        data.setup("fit")
        sizes[repeat] = (len(data.train_dataloader()), len(data.eval_pictures("train")))
    assert sizes[3] == (3 * sizes[1][0], sizes[1][1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_size": 16},
        {"batch_size": 0},
        {"eval_fit": "squash"},
        {"zoom": 0.5},
        {"repeat": 0},
        {"fit_images": 0},
        {"num_workers": -1},
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object]) -> None:
    [(name, value)] = wrong.items()
    build: Callable[..., FolderData] = FolderData
    right = {"root": "photos", "report_dir": "run", "image_size": 64, "batch_size": 4}
    with pytest.raises(ValueError, match=f"data.{name}={value}: expected"):
        build(**(right | wrong))


def test_some_crops_take_in_more_of_a_long_side(wide: Picture) -> None:
    pictures = TrainPictures([wide], 32, (1.0, 1.0), whole=0.5)
    seen = [pictures[0, seed]["rgb"] for seed in range(60)]
    all_three = [bool((crop[0].max() > 200) and (crop[2].max() > 200)) for crop in seen]
    assert 3 < sum(all_three) < 30  # a square of 32 of 64 pixels never shows both ends
    assert not any(
        crop[0].max() > 200 and crop[2].max() > 200
        for crop in (TrainPictures([wide], 32, (1.0, 1.0))[0, s]["rgb"] for s in range(60))
    )
