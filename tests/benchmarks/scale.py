"""Preparing 1.28 million pictures, by simulation: python -m tests.benchmarks.scale [COUNT]

`hashes [COUNT]` leaves out the records, `records COUNT` the hashes.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from src import color, errors
from src.curation import dataset
from src.curation.examine import Facts
from src.data.duplicates import BYTES, DHASH_BITS, DISTANCE, PHASH_BITS, near_pairs
from src.errors import require
from src.images.grey import ChromaStatistics
from tests.benchmarks.bench import RECIPE
from tests.benchmarks.row import peak_gigabytes

COUNT, PLANTED = 1_280_000, 1000
RECORDS = (10_000, 50_000, 200_000)
ROOT = Path(__file__).resolve().parents[2]


def main(count: int) -> None:
    for records in RECORDS:
        command = [sys.executable, "-m", "tests.benchmarks.scale", "records", str(records)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        print(f"{records} records: {done.stdout.strip()}", flush=True)
    of_hashes(count)


def of_hashes(count: int) -> None:
    """Tell how long so many hashes take to be grouped, and whether planted pairs are found."""
    own, mirrored, planted = planted_hashes(count)
    began, used = time.perf_counter(), time.process_time()
    found = set(near_pairs(own, mirrored))
    minutes, of_cores = (time.perf_counter() - began) / 60, (time.process_time() - used) / 60
    print(
        f"{count} hashes: {minutes:.1f} minutes, {of_cores:.1f} of processor time, "
        f"{len(planted & found)} of {len(planted)} planted pairs found, and "
        f"{len(found - planted)} others; {peak_gigabytes():.2f} GB at most"
    )


def planted_hashes(count: int) -> tuple[list[bytes], list[bytes], set[tuple[int, int]]]:
    """Make random hashes, of which some are near others, half of them mirrored ones.

    Returns: those of pictures, of their mirror images, and the pairs (i, j), i < j, that are near.
    """
    random = np.random.default_rng(0)
    own, mirrored = random.integers(0, 256, (2, count, BYTES), np.uint8)
    places = random.permutation(count)[: 2 * PLANTED].reshape(-1, 2)
    places.sort(axis=1)
    for number, (i, j) in enumerate(places.tolist()):
        bits = np.unpackbits(own[i])
        weight = number % (DISTANCE + 1)  # up to the very limit
        of_dhash = int(random.integers(max(0, weight - PHASH_BITS), weight + 1)) // 2
        changed = [
            *random.permutation(PHASH_BITS)[: weight - 2 * of_dhash],
            *(PHASH_BITS + random.permutation(DHASH_BITS)[:of_dhash]),
        ]
        bits[changed] ^= 1
        (mirrored if number % 2 else own)[j] = np.packbits(bits)
    pairs = {(i, j) for i, j in places.tolist()}
    return [row.tobytes() for row in own], [row.tobytes() for row in mirrored], pairs


def of_records(count: int) -> None:
    """Tell what it takes to make the manifest's rows of so many facts."""
    own, mirrored, _ = planted_hashes(count)
    facts = [
        Facts(
            source=f"folder{i % 1000}/picture{i}.jpg",
            stamp=(100_000, i),
            sha256=f"{i:064x}",
            width=500,
            height=375,
            colors=ChromaStatistics(20.0, 10.0, 0.5, [30] * (1 + 3 * len(color.HUES))),
            looks=(one.hex(), other.hex()),
        )
        for i, (one, other) in enumerate(zip(own, mirrored, strict=True))
    ]
    began = time.perf_counter()
    rows = dataset.rows_of(facts, [], RECIPE)
    took = time.perf_counter() - began
    print(json.dumps({"rows": len(rows), "seconds": took, "gigabytes": peak_gigabytes()}))


if __name__ == "__main__":
    parts = {"records": of_records, "hashes": of_hashes}
    words = [word for word in sys.argv[1:] if word not in parts] or [str(COUNT)]
    chosen = next((parts[word] for word in sys.argv[1:] if word in parts), main)
    with errors.ending_for_people():
        require(words[0].isdecimal(), "COUNT", words[0], "a whole number")
        chosen(int(words[0]))
