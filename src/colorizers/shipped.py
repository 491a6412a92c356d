"""The network that ships with the project. How it was made, and how good it is: MODEL_CARD.md."""

import hashlib
from pathlib import Path

from src.colorizers import trained
from src.colorizers.trained import Trained
from src.errors import UserError

WEIGHTS = Path(__file__).parent / "weights"
PATH = WEIGHTS / "lite0_palette.safetensors"
SHA256 = "f821f81114334196f609fd39080d334f65867d96bc8eca7801c7a0a4fb5e9108"
HINTS_PATH = WEIGHTS / "lite0_hints.safetensors"  # its branch for hints
HINTS_SHA256 = "eceb5119d8cde9f725ccf81ae873540e02a0826312fa9e956080e528f6935b93"


def load() -> Trained:
    """Load the shipped network. Raises: UserError: if one of its files is not what was shipped."""
    for path, expected in ((PATH, SHA256), (HINTS_PATH, HINTS_SHA256)):
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise UserError(f"{path} is not the file that ships with this version: install it anew")
    return trained.load(PATH, branch=HINTS_PATH).folded()
