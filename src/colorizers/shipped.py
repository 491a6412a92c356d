"""The network that ships with the project. How it was made, and how good it is: MODEL_CARD.md."""

import hashlib
from functools import cache
from pathlib import Path

from src.colorizers import trained
from src.colorizers.trained import Trained
from src.errors import UserError

WEIGHTS = Path(__file__).parent / "weights"
PATH = WEIGHTS / "lite0_palette.safetensors"
SHA256 = "0b99476a90f5073be05522a634e7103996d1d345a7db37fb2f13006c1d709076"
HINTS_PATH = WEIGHTS / "lite0_hints.safetensors"  # its branch for hints
HINTS_SHA256 = "e1398ecefd89335f58e7f28e8c9c23659a2704f37303a701da3189ad1d3c7d81"


@cache
def shared() -> Trained:
    """Load it once, for all who leave it as it is. Raises: UserError: as `load`."""
    return load()


def load() -> Trained:
    """Load the shipped network. Raises: UserError: if one of its files is not what was shipped."""
    for path, expected in ((PATH, SHA256), (HINTS_PATH, HINTS_SHA256)):
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise UserError(f"{path} is not the file that ships with this version: install it anew")
    return trained.load(PATH, branch=HINTS_PATH).folded()
