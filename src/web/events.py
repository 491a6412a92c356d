"""How what happens on the page is worked on: one at a time, with faults told in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from src.errors import EXPECTED

Present = TypeVar("Present")
KEPT = 3600  # seconds that uploads and results stay at most
READ = 20  # seconds that a person has to read what is wrong
# Of all events that run a network or a solver: Gradio's default limit holds for each function, and
# several at once would run out of memory together.
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "heavy", "concurrency_limit": 1}
# Of those that come one after the other while a person paints: none is left out.
EACH: dict[str, Any] = ONE_AT_A_TIME | {"trigger_mode": "multiple", "show_progress": "hidden"}
# Hands a file to the person; the component that holds it is not shown.
SEND = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""


def present(at: Present | None) -> Present:
    """Return what the page holds of a photo. Raises: gr.Error: if it was forgotten meanwhile."""
    if at is None:
        raise gr.Error("Choose the photo again: it was kept for an hour.", print_exception=False)
    return at


@contextmanager
def told_of(upload: str | Path) -> Iterator[None]:
    """Show on the page what is wrong with a file."""
    try:
        yield
    except EXPECTED as error:
        name = Path(upload).name
        said = str(error).replace(str(upload), name)
        said = said if name in said else f"{name}: {said}"
        raise gr.Error(said, duration=READ, print_exception=False) from None
