"""Near-duplicates: the same photo resized, recompressed, mirrored or slightly cropped."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import imagehash
import numpy as np
import torch
from jaxtyping import Int, Int8, Shaped, UInt8
from PIL import Image, ImageOps

from src import pace
from src.data.splits import Place, place_apart
from src.threads import side_by_side

# Two pictures are near when the bits in which their perceptual hashes differ, and twice those of
# their difference hashes, are at most so many together. Of 1,200 photographs all but two were found
# again after a crop of 3 % a side. Of the 35 million pairs of 8,333 photographs, 35 are this near,
# mirrored ones included; most of those that were looked at show the same thing.
DISTANCE, DHASH_WEIGHT = 64, 2
PHASH_SIDE, DHASH_SIDE = 12, 8
HASHED_SIZES = (4 * PHASH_SIDE, 4 * PHASH_SIDE), (DHASH_SIDE + 1, DHASH_SIDE)
PHASH_BITS, DHASH_BITS = PHASH_SIDE**2, DHASH_SIDE**2
BYTES = (PHASH_BITS + DHASH_BITS) // 8
WEIGHTS = np.repeat([1, DHASH_WEIGHT], [PHASH_BITS // 8, DHASH_BITS // 8])  # of each byte's bits
FIRST = slice(-20, None)  # bytes by which all but one in 5 million random pairs are told apart
BLOCK = 1024  # hashes that are compared with as many others at once: products stay in the cache


def fingerprints(image: Image.Image) -> tuple[bytes, bytes]:
    """Hash what a picture looks like, and what its mirror image does.

    Source: the perceptual hash (DCT) and the difference hash of the imagehash library.
    """
    small = image.convert("L").resize((96, 96), Image.Resampling.BOX, reducing_gap=2.0)
    # As imagehash shrinks it, but once for the picture and its mirror image.
    shrunk = [small.resize(size, Image.Resampling.LANCZOS) for size in HASHED_SIZES]
    return _fingerprint(*shrunk), _fingerprint(*map(ImageOps.mirror, shrunk))


def _fingerprint(for_phash: Image.Image, for_dhash: Image.Image) -> bytes:
    hashes = imagehash.phash(for_phash, PHASH_SIDE), imagehash.dhash(for_dhash, DHASH_SIDE)
    return np.packbits(np.concatenate([one.hash.ravel() for one in hashes])).tobytes()


def near_pairs(own: Sequence[bytes], mirrored: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Find the pairs (i, j), i < j, of pictures that look the same, mirrored or not.

    All are compared by three quarters of their bits, as products of matrices, and what may be near
    is compared whole. An index by parts of a hash would save nothing at this distance: of 16 parts,
    most pairs that are not near have one that might be of a near one.
    """
    sides = [_array(own), _array(mirrored)]
    signs = [_signs(hashes[:, FIRST]) for hashes in sides]
    weights = torch.from_numpy(WEIGHTS[FIRST].repeat(8)).to(torch.int8)
    # The product of two hashes as +1 and -1 is their length less twice their distance.
    least = int(weights.sum()) - 2 * DISTANCE

    def found_from(top: int) -> list[tuple[int, int]]:
        pairs = []
        weighted = signs[0][top : top + BLOCK] * weights
        for left in range(top, len(own), BLOCK):
            found = set()
            for hashes, others in zip(sides, signs, strict=True):
                alike = _product(weighted, others[left : left + BLOCK].T)
                rows = (alike.amax(dim=1) >= least).nonzero()[:, 0]
                if not len(rows):  # as mostly
                    continue
                of_rows, of_columns = (alike[rows] >= least).nonzero().T
                i, j = (top + rows[of_rows]).numpy(), (left + of_columns).numpy()
                near = (_distances(sides[0][i], hashes[j]) <= DISTANCE) & (i < j)
                found |= {*zip(i[near].tolist(), j[near].tolist(), strict=True)}
            pairs += sorted(found)
        return pairs

    blocks = range(0, len(own), BLOCK)
    each = side_by_side(found_from, blocks)
    for pairs in pace.each(each, "near-duplicates", len(blocks), "blocks"):
        yield from pairs


def _array(hashes: Sequence[bytes]) -> UInt8[np.ndarray, "n bytes"]:
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), BYTES)


def _signs(hashes: UInt8[np.ndarray, "n bytes"]) -> Int8[torch.Tensor, "n bits"]:
    return torch.from_numpy(np.unpackbits(hashes, axis=1)).view(torch.int8) * 2 - 1


def _distances(
    a: UInt8[np.ndarray, "n bytes"], b: UInt8[np.ndarray, "n bytes"]
) -> Int[np.ndarray, " n"]:
    return np.bitwise_count(a ^ b) @ WEIGHTS


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
