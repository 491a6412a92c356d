"""Generators as ONNX files: written, checked against PyTorch, and run by ONNX Runtime."""

import hashlib
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from src import files
from src.colorizers.colorizer import MAX_IMAGE_SIZE, VIEWS, Colorizer, Hints, Reference
from src.colorizers.trained import Trained
from src.errors import UserError

HINT = "pip install 'colorization[onnx]' brings it"
MAX_BYTES = 2_000_000_000  # what an ONNX file can be at most
LARGEST_ERROR = 1e-4  # of ab in [-1, 1]


@dataclass(eq=False, kw_only=True)
class Exported(Colorizer):
    """What ONNX Runtime runs, on the processor."""

    session: Any
    image_size: int
    views: int = 1
    mean_ab: Float[Tensor, "2"]
    sha256: str
    name: str

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        ab = _run(self.session, L.cpu())
        if ab.shape != (len(L), 2, *L.shape[2:]):
            raise UserError(f"the model's ab of {tuple(L.shape)} has the shape {tuple(ab.shape)}")
        return ab.to(L.device)


def load(path: Path) -> Exported:
    """Load what `export` wrote.

    Raises: UserError: if ONNX Runtime is absent, or the file is missing, broken or foreign.
    """
    runtime = _runtime()
    if not path.is_file():
        raise UserError(f"no model at {path}")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path} is larger than an ONNX file can be")
    content = path.read_bytes()
    try:
        # From memory: such a model can name no other file to be read.
        session = _session(runtime, content)
        told = session.get_modelmeta().custom_metadata_map
        image_size, views = int(told["image_size"]), int(told.get("views", "1"))
        mean_ab = torch.tensor([float(value) for value in told["mean_ab"].split()])
        ab = _run(session, torch.zeros(1, 1, 32, 32))
    # A stranger's bytes end in whatever exception comes first.
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else "not of src.export"
        raise UserError(f"cannot use {path} as a model: {reason}") from None
    is_color = mean_ab.shape == (2,) and bool((mean_ab.abs() <= 1).all())
    if not 0 < image_size <= MAX_IMAGE_SIZE or not is_color or views not in VIEWS:
        raise UserError(f"{path} asks for {views} views of {image_size} pixels: not believable")
    if ab.shape != (1, 2, 32, 32) or not bool(ab.isfinite().all()):
        raise UserError(f"{path} holds no working generator: it does not take L to ab")
    sha256 = hashlib.sha256(content).hexdigest()
    return Exported(
        session=session,
        image_size=image_size,
        views=views,
        mean_ab=mean_ab,
        sha256=sha256,
        name=path.name,
    )


def _run(session: Any, L: Float[Tensor, "b 1 h w"]) -> Tensor:
    try:
        (ab,) = session.run(["ab"], {"L": L.contiguous().numpy()})
    # Of ONNX Runtime's own kinds, which share no parent but this.
    except Exception as error:
        raise UserError(f"ONNX Runtime: {str(error).splitlines()[0]}") from None
    return torch.from_numpy(ab)


def export(trained: Trained, path: Path, checked_on: list[Float[Tensor, "_ 1 _ _"]]) -> float:
    """Write a generator as ONNX with free batch, height and width.

    Args: checked_on: L that both must give the same ab for; else nothing is written.
    Returns: the largest difference of ab, in [-1, 1], between ONNX Runtime and PyTorch.
    Raises: UserError: if it is over LARGEST_ERROR, or a package is absent.
    """
    runtime = _runtime()
    try:
        import onnxscript  # noqa: F401  torch.onnx needs it
    except ImportError:
        raise UserError(f"exporting needs onnxscript and onnx: {HINT}") from None
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, in four lines
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own parts to one another
        program = torch.onnx.export(
            trained.network,
            (torch.zeros(2, 1, 64, 96),),
            input_names=["L"],
            output_names=["ab"],
            dynamic_shapes=(free,),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(
        image_size=str(trained.image_size),
        views=str(trained.views),
        checkpoint_sha256=trained.sha256,
        mean_ab=" ".join(str(float(value)) for value in trained.mean_ab),
    )
    content = program.model_proto.SerializeToString()
    session = _session(runtime, content)
    with torch.inference_mode():
        error = max(float((_run(session, L) - trained.network(L)).abs().max()) for L in checked_on)
    if not error <= LARGEST_ERROR:
        raise UserError(
            f"ONNX Runtime's ab is up to {error:.2g} from PyTorch's: expected at most "
            f"{LARGEST_ERROR:g}; nothing was written"
        )
    with files.whole(path) as partial:
        partial.write_bytes(content)
    return error


def _runtime() -> ModuleType:
    # Its official builds would keep a device's identifier and report what they run to Microsoft.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"ONNX needs the package onnxruntime: {HINT}") from None
    return onnxruntime


def _session(runtime: ModuleType, content: bytes) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised as well
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait in a loop would take the cores from those that then paint the picture.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
