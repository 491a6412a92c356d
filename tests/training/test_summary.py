from src.training import summary

NAMES = ("ab_mae", "psnr", "ssim", "delta_e2000", "accuracy_2", "accuracy_5", "colorfulness")
FIGURES = {
    f"test/{name}{suffix}": 10.0 * i + j
    for i, suffix in enumerate(("", "_zero", "_constant"), start=1)
    for j, name in enumerate(NAMES)
} | {"test/colorfulness_true": 38.25, "test/ab_mae_own_mean": 7.5}


def test_the_model_stands_beside_both_trivial_colourisers() -> None:
    lines = summary.test_table(FIGURES, "unet, best.ckpt", "stretched, 256x256").splitlines()
    assert "stretched, 256x256" in lines[0]
    rows = {line[:36].strip(): line[36:].split() for line in lines[1:4]}
    assert rows["unet, best.ckpt"][:5] == ["0.0781", "10.00", "11.00", "12.000", "13.00"]
    assert rows["unet, best.ckpt"][5:] == ["14.000", "15.000", "16.0"]
    assert rows["ab = 0 (grey)"][:2] == ["0.1562", "20.00"]
    assert rows["training set's mean ab"][:2] == ["0.2344", "30.00"]
    assert "38.2" in lines[4]
    assert "7.50" in lines[4]


def test_the_fit_is_given_against_both_constants() -> None:
    figures = {"fit/ab_mae": 4.0, "fit/ab_mae_zero": 16.0, "fit/ab_mae_own_mean": 3.2}
    line = summary.fit_line(figures, 18)
    assert "75% under ab = 0 (16.00)" in line
    assert "25% over each picture's own mean ab (3.20)" in line
