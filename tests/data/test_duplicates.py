import io
from collections.abc import Iterator, Sequence

import imagehash
import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageOps

from src.data.duplicates import (
    BYTES,
    DHASH_BITS,
    DISTANCE,
    PHASH_BITS,
    fingerprints,
    near_pairs,
)
from src.data.sample import FOLDER


def recompressed(image: Image.Image) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=40)
    return Image.open(content).convert("RGB")


def cropped(image: Image.Image) -> Image.Image:
    x, y = round(0.03 * image.width), round(0.03 * image.height)
    return image.crop((x, y, image.width - x, image.height - y))


def copies(image: Image.Image) -> list[Image.Image]:
    half = image.resize((image.width // 2, image.height // 2))
    return [
        image,
        half,
        recompressed(image),
        ImageOps.mirror(image),
        cropped(image),
        ImageOps.mirror(recompressed(cropped(half))),
    ]


def pairs(images: list[Image.Image]) -> set[tuple[int, int]]:
    own, mirrored = zip(*map(fingerprints, images), strict=True)
    found = list(near_pairs(own, mirrored))
    assert len(found) == len(set(found))
    return set(found)


def different() -> Iterator[Image.Image]:
    """Fifty cuts of photographs that show different things."""
    for scene, size in (("astronaut", 128), ("coffee", 100), ("chelsea", 100)):
        whole = Image.fromarray(getattr(skimage.data, scene)())
        for top in range(0, whole.height - size + 1, size):
            for left in range(0, whole.width - size + 1, size):
                yield whole.crop((left, top, left + size, top + size))


def test_hashes_are_the_librarys_own() -> None:
    grey = Image.fromarray(skimage.data.astronaut()).convert("L").resize((96, 96))
    for told, shown in zip(fingerprints(grey), (grey, ImageOps.mirror(grey)), strict=True):
        hashes = imagehash.phash(shown, 12), imagehash.dhash(shown, 8)
        bits = np.concatenate([one.hash.ravel() for one in hashes])
        assert told == np.packbits(bits).tobytes()


@pytest.mark.parametrize("scene", ["astronaut", "chelsea", "coffee", "rocket"])
def test_copies_of_a_photo_are_found(scene: str) -> None:
    photo = Image.fromarray(getattr(skimage.data, scene)())
    found = pairs(copies(photo))
    assert {(0, i) for i in range(1, 6)} <= found


def test_different_photographs_are_not_near() -> None:
    images = list(different())[:50]
    assert len(images) == 50
    assert pairs(images) == set()


def test_real_photographs_are_told_apart_and_their_crops_found() -> None:
    paths = sorted(FOLDER.glob("*.webp"))[:60]
    images = [Image.open(path).convert("RGB") for path in paths]
    count = len(images)
    assert len(pairs(images)) <= 1
    found = pairs(images + [recompressed(cropped(image)) for image in images])
    assert sum((i, i + count) in found for i in range(count)) >= 0.95 * count


@pytest.mark.parametrize("eight_bit", [True, False])
def test_pairs_are_found_across_blocks(eight_bit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.data.duplicates.BLOCK", 7)
    monkeypatch.setattr("torch.cpu._is_vnni_supported", lambda: eight_bit)
    random = np.random.default_rng(1)
    own = [random.bytes(BYTES) for _ in range(40)]
    mirrored = [random.bytes(BYTES) for _ in range(40)]
    own[33] = own[2]
    mirrored[5], mirrored[20] = own[20], own[5]
    assert set(near_pairs(own, mirrored)) == {(2, 33), (5, 20)}


@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize("changed", [range(BYTES), range(12), range(8, BYTES)])
def test_what_is_near_is_exactly_what_the_distance_says(
    changed: Sequence[int], eight_bit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu._is_vnni_supported", lambda: eight_bit)
    random = np.random.default_rng(2)
    own = np.tile(random.integers(0, 256, BYTES, np.uint8), (120, 1))
    mirrored = own ^ np.uint8(8)  # so that the two find different pairs
    for each in (own, mirrored):
        flipped = random.random((120, 8 * BYTES)) < random.random((120, 1))
        each[:, changed] ^= np.packbits(flipped, axis=1)[:, changed]
    weights = [1] * PHASH_BITS + [2] * DHASH_BITS

    def near(others: np.ndarray) -> np.ndarray:
        apart = np.unpackbits(own[:, None] ^ others[None], axis=2) @ weights
        return np.triu(apart <= DISTANCE, 1)

    found = list(near_pairs([row.tobytes() for row in own], [row.tobytes() for row in mirrored]))
    assert found == list(zip(*map(list, np.nonzero(near(own) | near(mirrored))), strict=True))
    assert 100 < len(found) < 7000


def test_nothing_has_no_pairs() -> None:
    assert list(near_pairs([], [])) == []
