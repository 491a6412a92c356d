"""The web page: python -m src.demo --checkpoint best.ckpt, or make demo."""

import os
import tempfile
from pathlib import Path

from src import errors
from src.colorizers import registry
from src.errors import UserError, require_number


def main(arguments: list[str] | None = None) -> None:
    parser = errors.Parser(
        prog="python -m src.demo",
        description="Serve a page on this machine on which photos are coloured. Nothing leaves the "
        "machine, and nothing is kept.",
    )
    add = parser.add_argument
    files = "trained .ckpt or exported files to choose from"
    add("--checkpoint", type=Path, nargs="+", default=[None], help=files)
    methods = "to choose from as well; they need no network"
    add("--method", nargs="+", default=[], choices=list(registry.METHODS), help=methods)
    add("--port", type=errors.whole, default=7860, help="of 127.0.0.1 (7860)")
    given = parser.parse_args(arguments)
    with errors.ending_for_people():
        require_number("--port", given.port, 0, 65535)
        models = {_name(path): registry.from_file(path) for path in given.checkpoint}
        models |= {name: registry.load(name, given.checkpoint[0]) for name in given.method}
        # The page is served and asked for here: no proxy, of whatever kind, stands in between.
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            del os.environ[name]
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
        # Gradio reads both when it is imported.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        with tempfile.TemporaryDirectory(prefix="colorization-") as folder:
            os.environ["GRADIO_TEMP_DIR"] = folder
            try:
                from src.web import page
            except ImportError:
                raise UserError(
                    "the page needs gradio: pip install 'colorization[demo]' brings it"
                ) from None
            page.serve(models, Path(folder), given.port)


def _name(path: Path | None) -> str:
    """Call a model by what tells one run's best.ckpt from another's."""
    return "as shipped" if path is None else "/".join(path.absolute().parts[-3:])


if __name__ == "__main__":
    main()
