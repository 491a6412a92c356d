import numpy as np
import pytest
import torch
from skimage.color import deltaE_cie76, deltaE_ciede2000
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional import image as functional

from src import color, metrics

# L1 a1 b1 L2 a2 b2 dE00: the test data of Sharma, Wu and Dalal 2005, table 1.
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_ciede2000_gives_sharmas_34_pairs() -> None:
    rows = torch.tensor([[float(x) for x in line.split()] for line in SHARMA.split("\n") if line])
    assert len(rows) == 34
    rows = rows.double()
    first, second = rows[:, :3].T[None, :, None], rows[:, 3:6].T[None, :, None]
    expected = rows[:, 6]
    for one, other in ((first, second), (second, first)):
        got = metrics.delta_e2000(one, other)[0, 0]
        torch.testing.assert_close(got, expected, atol=6e-5, rtol=0)


def test_ciede2000_agrees_with_skimage_on_random_colors() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(1, 3, 40, 40, generator=generator).double() for _ in range(2))
    scale, shift = torch.tensor([100.0, 200, 200]), torch.tensor([0.0, 100, 100])
    one, other = (x * scale.view(1, 3, 1, 1) - shift.view(1, 3, 1, 1) for x in (one, other))
    expected = deltaE_ciede2000(*(x[0].permute(1, 2, 0).numpy() for x in (one, other)))
    np.testing.assert_allclose(metrics.delta_e2000(one, other)[0].numpy(), expected, atol=1e-8)


def test_ab_mae_is_in_lab_units_for_each_picture() -> None:
    true_ab = torch.zeros(2, 2, 4, 4)
    ab = true_ab.clone()
    ab[1, 0] = 0.5  # a alone is off by 55: 27.5 on average over a and b
    assert metrics.ab_mae(ab, true_ab).tolist() == pytest.approx([0, 27.5])


def test_an_accurate_pixel_is_about_right_in_all_three_channels() -> None:
    true_rgb = torch.full((2, 3, 1, 4), 0.5)
    rgb = true_rgb.clone()
    rgb[1, :, 0, 1] += 0.015
    rgb[1, 0, 0, 2] -= 0.04
    rgb[1, 2, 0, 3] = 1
    assert metrics.accuracy(rgb, true_rgb, 0.02).tolist() == [1, 0.5]
    assert metrics.accuracy(rgb, true_rgb, 0.05).tolist() == [1, 0.75]


def test_psnr_and_ssim_agree_with_skimage_for_each_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    true_rgb = torch.rand(2, 3, 48, 40, generator=generator)
    rgb = (true_rgb + 0.1 * torch.randn(true_rgb.shape, generator=generator)).clamp(0, 1)
    for i in range(2):
        a, b = true_rgb[i].permute(1, 2, 0).numpy(), rgb[i].permute(1, 2, 0).numpy()
        noise = peak_signal_noise_ratio(a, b, data_range=1.0)
        likeness = structural_similarity(
            a,
            b,
            channel_axis=2,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert metrics.psnr(rgb, true_rgb)[i].item() == pytest.approx(noise, abs=1e-3)
        assert metrics.ssim(rgb, true_rgb)[i].item() == pytest.approx(likeness, abs=1e-5)


def test_psnr_and_ssim_agree_with_torchmetrics_but_for_its_reflected_border() -> None:
    true_rgb = torch.rand(2, 3, 200, 160, generator=torch.Generator().manual_seed(0))
    rgb = true_rgb**1.2
    noise = functional.peak_signal_noise_ratio(
        rgb, true_rgb, data_range=1.0, reduction="none", dim=(1, 2, 3)
    )
    torch.testing.assert_close(metrics.psnr(rgb, true_rgb), noise)
    likeness = functional.structural_similarity_index_measure(
        rgb, true_rgb, data_range=1.0, reduction="none"
    )
    torch.testing.assert_close(metrics.ssim(rgb, true_rgb), likeness, atol=1e-3, rtol=0)


def test_delta_e76_agrees_with_skimage() -> None:
    one, other = (100 * torch.rand(1, 3, 9, 7, dtype=torch.double) for _ in range(2))
    expected = deltaE_cie76(*(x[0].permute(1, 2, 0).numpy() for x in (one, other)))
    np.testing.assert_allclose(metrics.delta_e76(one, other)[0].numpy(), expected)


def test_a_perfect_picture_does_not_make_the_mean_psnr_infinite() -> None:
    rgb = torch.rand(1, 3, 16, 16)
    assert metrics.psnr(rgb, rgb).item() == 100


def test_colorfulness_follows_hasler_and_suesstrunk() -> None:
    rgb = torch.rand(1, 3, 30, 20, generator=torch.Generator().manual_seed(0))
    r, g, b = (rgb[0] * 255).numpy()
    rg, yb = r - g, (r + g) / 2 - b
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert metrics.colorfulness(rgb).item() == pytest.approx(expected, rel=1e-5)
    assert metrics.colorfulness(torch.full((1, 3, 4, 4), 0.5)).item() == pytest.approx(0, abs=1e-4)


def test_a_perfect_colouring_has_no_error_by_any_figure() -> None:
    L, ab = color.rgb_to_L_ab(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    truth = metrics.LabPicture(L, ab)
    same = metrics.LabPicture(L, ab.clone())
    found = metrics.figures(same, truth, metrics.color_difference(same, truth))
    for name in ("ab_mae", "ab_mae_128", "delta_e76", "delta_e2000"):
        assert found[name].abs().max() < 1e-3, name
    for limit in ("2_3", "5", "10"):
        assert found[f"delta_e2000_under_{limit}"].min() == 1
    assert found["psnr"].min() == 100
    assert found["accuracy_2"].min() == found["accuracy_5"].min() == 1
    assert found["ssim"].min() > 0.9999
    assert torch.equal(found["colorfulness"], metrics.colorfulness(truth.rgb))
    grey = metrics.LabPicture(L, torch.zeros_like(ab))
    found = metrics.figures(grey, truth, metrics.color_difference(grey, truth))
    assert found["delta_e2000"].min() > 5
    assert (found["accuracy_2"] < found["accuracy_5"]).all()
    assert found["colorfulness"].max() < 1


def test_pictures_of_rgb_are_those_of_its_l_and_ab() -> None:
    rgb = torch.rand(2, 3, 8, 8)
    one, other = metrics.LabPicture.of_rgb(rgb), metrics.LabPicture(*color.rgb_to_L_ab(rgb))
    for name in ("L", "ab", "rgb", "lab"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), atol=2e-3, rtol=0)


def test_the_other_colorfulness_takes_absolute_opponents() -> None:
    rgb = torch.rand(1, 3, 30, 20, generator=torch.Generator().manual_seed(0))
    r, g, b = (rgb[0] * 255).numpy()
    rg, yb = np.abs(r - g), np.abs((r + g) / 2 - b)
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert metrics.absolute_colorfulness(rgb).item() == pytest.approx(expected, rel=1e-5)
