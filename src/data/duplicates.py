"""Near-duplicates: the same photo resized, recompressed, mirrored or slightly cropped."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import imagehash
import numpy as np
import torch
from jaxtyping import Int8, Shaped
from PIL import Image, ImageOps

from src import pace
from src.data.splits import Place, place_apart

# Two pictures are near when the bits in which their perceptual hashes differ, and twice those of
# their difference hashes, are at most so many together. Of 1,200 photographs all but two were found
# again after a crop of 3 % a side. Of the 35 million pairs of 8,333 photographs, 35 are this near,
# mirrored ones included; most of those that were looked at show the same thing.
DISTANCE, DHASH_WEIGHT = 64, 2
PHASH_SIDE, DHASH_SIDE = 12, 8
PHASH_BITS, DHASH_BITS = PHASH_SIDE**2, DHASH_SIDE**2
WEIGHTS = torch.tensor([1] * PHASH_BITS + [DHASH_WEIGHT] * DHASH_BITS, dtype=torch.int8)
BYTES = (PHASH_BITS + DHASH_BITS) // 8
BLOCK = 1024  # hashes that are compared with as many others at once: products stay in the cache


def fingerprints(image: Image.Image) -> tuple[bytes, bytes]:
    """Hash what a picture looks like, and what its mirror image does.

    Source: the perceptual hash (DCT) and the difference hash of the imagehash library.
    """
    small = image.convert("L").resize((96, 96), Image.Resampling.BOX, reducing_gap=2.0)
    return _fingerprint(small), _fingerprint(ImageOps.mirror(small))


def _fingerprint(grey: Image.Image) -> bytes:
    hashes = imagehash.phash(grey, PHASH_SIDE), imagehash.dhash(grey, DHASH_SIDE)
    return np.packbits(np.concatenate([one.hash.ravel() for one in hashes])).tobytes()


def near_pairs(own: Sequence[bytes], mirrored: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Find the pairs (i, j), i < j, of pictures that look the same, mirrored or not.

    All are compared, as products of matrices. An index by parts of a hash would save nothing at
    this distance: of 16 parts, most pairs that are not near have one that might be of a near one.
    """
    # The product of two hashes as +1 and -1 is their length less twice their distance.
    least = int(WEIGHTS.sum()) - 2 * DISTANCE
    blocks = range(0, len(own), BLOCK)
    for top in pace.each(blocks, "near-duplicates", len(blocks), "blocks"):
        signs = _signs(own[top : top + BLOCK]) * WEIGHTS
        for left in range(top, len(own), BLOCK):
            found = set()
            for others in (own, mirrored):
                alike = _product(signs, _signs(others[left : left + BLOCK]).T)
                rows = (alike.amax(dim=1) >= least).nonzero()[:, 0]  # most have none
                i, j = (alike[rows] >= least).nonzero().T
                pairs = zip((top + rows[i]).tolist(), (left + j).tolist(), strict=True)
                found |= {(i, j) for i, j in pairs if i < j}
            yield from sorted(found)


def _signs(hashes: Sequence[bytes]) -> Int8[torch.Tensor, "n bits"]:
    whole = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), BYTES)
    return torch.from_numpy(np.unpackbits(whole, axis=1)).view(torch.int8) * 2 - 1


def _product(
    a: Int8[torch.Tensor, "n bits"], b: Int8[torch.Tensor, "bits m"]
) -> Shaped[torch.Tensor, "n m"]:
    """Multiply matrices exactly: in 8 bits where the processor has that, at nine times the rate."""
    if torch.cpu._is_vnni_supported():
        return torch._int_mm(a, b)
    return a.float() @ b.float()


def place_by_looks(
    looks: Mapping[str, tuple[str, str]],
    settled: Mapping[str, Place],
    shares: Mapping[str, float],
    unseen: AbstractSet[str] = frozenset(),
) -> dict[str, Place]:
    """Place contents as `splits.place_apart` does, near-duplicates by their fingerprints.

    Args: looks: of a picture and of its mirror image, hexadecimal, by sha256.
    """
    contents = sorted(looks)
    own, mirrored = ([bytes.fromhex(looks[one][side]) for one in contents] for side in (0, 1))
    return place_apart(contents, [*near_pairs(own, mirrored)], settled, shares, unseen)
