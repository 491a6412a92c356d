"""What an independent program reads in a file."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def told(path: Path) -> dict[str, Any]:
    """Return all that exiftool finds, by group and name."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    words = ["exiftool", "-json", "-n", "-G1", "-api", "LargeFileSupport=1", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    (found,) = json.loads(done.stdout)
    return found
