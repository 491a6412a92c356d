"""What a run says of its quality, always beside what needs no network at all."""

from collections.abc import Mapping
from pathlib import Path

from src import color, files

COLUMNS = {
    "ab_mae": ("ab-MAE", ".2f"),
    "psnr": ("PSNR dB", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "delta_e2000": ("dE2000", ".2f"),
    "accuracy_2": ("within 2 %", ".3f"),
    "accuracy_5": ("within 5 %", ".3f"),
    "colorfulness": ("colourfulness", ".1f"),
}
TRIVIAL = {"ab = 0 (grey)": "_zero", "training set's mean ab": "_constant"}


def test_table(figures: Mapping[str, float], model: str, protocol: str) -> str:
    """Lay out the test figures of a model beside the two trivial colourisers.

    Args:
        figures: `test/...` as logged, means over pictures.
        model: what to call the model's row.
        protocol: how the pictures were cut.
    """
    reported = f"{'ab-MAE/128':>12}"
    titles = "".join(f"{title:>14}" for title, _ in COLUMNS.values())
    lines = [f"{f'Test pictures ({protocol})':36}{reported}{titles}"]
    for row, suffix in {model: "", **TRIVIAL}.items():
        on_report_scale = figures[f"test/ab_mae{suffix}"] / color.REPORT_AB_RANGE
        cells = "".join(
            f"{format(figures[f'test/{name}{suffix}'], form):>14}"
            for name, (_, form) in COLUMNS.items()
        )
        lines.append(f"{row:36}{on_report_scale:>12.4f}{cells}")
    truth = f"colourfulness of the true pictures: {figures['test/colorfulness_true']:.1f}"
    oracle = f"each picture's own mean ab: ab-MAE {figures['test/ab_mae_own_mean']:.2f}"
    lines.append(f"({truth}; {oracle})")
    return "\n".join(lines)


def fit_line(figures: Mapping[str, float], count: int) -> str:
    """Say how well the last epoch's weights colour pictures that they were trained on.

    Args:
        figures: `fit/...` as logged.
        count: pictures they are means of.
    """
    error, zero, own_mean = (figures[f"fit/ab_mae{name}"] for name in ("", "_zero", "_own_mean"))
    return (
        f"Training pictures ({count}, last epoch): ab-MAE {error:.2f}, "
        f"{_against(error, zero)} ab = 0 ({zero:.2f}), "
        f"{_against(error, own_mean)} each picture's own mean ab ({own_mean:.2f})"
    )


def _against(error: float, reference: float) -> str:
    return f"{abs(1 - error / reference):.0%} {'under' if error <= reference else 'over'}"


def closing(folder: Path, next_step: str | None, upload: str | None) -> str:
    """Say what a person can do next; the last line is where the run's results are.

    Args:
        folder: the run's folder.
        next_step: what the data set proposes.
        upload: the command that uploads an offline W&B run.
    """
    best = folder / "checkpoints" / "best.ckpt"
    coloring = files.to_paste(
        "python", "-m", "src.colorize", "PHOTO", "--checkpoint", best, "--output", "out/"
    )
    lines = [
        next_step,
        upload and f"W&B was offline; to upload: {upload}",
        f"To colour a photo: {coloring}",
        f"Everything is in {folder}",
    ]
    return "\n".join(line for line in lines if line)
