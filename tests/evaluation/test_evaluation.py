import csv
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image, ImageEnhance
from torchmetrics.image import fid, lpip

from src import color, colorize, evaluate
from src.colorizers import registry
from src.colorizers.constants import Constant
from src.evaluation import contestants, examples, pretrained, protocols
from src.evaluation.contestants import CONSTANT, ORACLE, ZERO
from src.evaluation.judge import Judge, read
from src.generators.cnn import CNN
from src.threads import side_by_side
from tests.browser import Browser
from tests.conftest import ROOT

LOUD = "<img src=x onerror=alert(1)>"  # a name that a page must not take for its own


def save_checkpoint(path: Path, mean_ab: tuple[float, float] = (0.02, 0.06), seed: int = 0) -> Path:
    torch.manual_seed(seed)
    config = {"_target_": "src.generators.cnn.CNN", "base_channels": 4}
    state = {f"generator.{key}": value for key, value in CNN(4).state_dict().items()}
    state["mean_ab"] = torch.tensor(mean_ab)
    path.parent.mkdir(parents=True, exist_ok=True)
    hyper_parameters = {"generator": config, "image_size": 32}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": state}, path)
    return path


def run(*arguments: object) -> int:
    with pytest.MonkeyPatch.context() as monkeypatch:
        typed = ["evaluate", "num_workers=0", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", typed)
        try:
            evaluate.main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Beside other work, threads wait for each other far longer than such pictures take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest) -> Iterator[None]:
    """Squares of 48 pixels and 16 features, but where a test asks for the real ones."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _make_quick(monkeypatch)
        yield


def _make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "SIDE", 48)
    whole = pretrained.lite0

    def first_features(device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        features = whole(device)
        return lambda rgb: features(rgb)[:, :16]

    monkeypatch.setattr(pretrained, "lite0", first_features)


@pytest.fixture(scope="module")
def place(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures by class, two runs, another program's pictures, and what is wrong."""
    place = tmp_path_factory.mktemp("evaluate")
    for i in (1, 2, 4, 5):  # neither grey nor toned
        for scene in ("astronaut", "coffee"):
            target = place / "data" / scene / f"{scene}{i}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photos / target.name, target)
            prediction = place / LOUD.replace("/", "") / f"{scene}{i}.png"
            prediction.parent.mkdir(exist_ok=True)
            with Image.open(target) as image:
                ImageEnhance.Color(image).enhance(0.5).save(prediction)
    with Image.open(place / "data/coffee/coffee1.jpg") as image:
        image.convert("L").save(place / "data/coffee/grey.png")
    (place / "data" / "astronaut" / "broken.jpg").write_text("no picture")
    for seed, name in enumerate(("first", "second")):
        save_checkpoint(place / name / "checkpoints" / "best.ckpt", seed=seed)
        rows = "epoch,val/ab_mae,val/ab_mae_zero\n0,12,13\n1,,\n1,11,13\n"
        (place / name / "metrics.csv").write_text(rows)
    return place


@pytest.fixture(scope="module")
def left(place: Path) -> Path:
    """What the command leaves of all that."""
    best = [str(place / name / "checkpoints" / "best.ckpt") for name in ("first", "second")]
    with pytest.MonkeyPatch.context() as monkeypatch:
        _make_quick(monkeypatch)
        status = run(
            f"checkpoints=[{','.join(best)}]",
            f"predictions='{place / LOUD}'",
            f"data.root={place / 'data'}",
            f"hydra.run.dir={place / 'left'}",
        )
    assert status == 1  # one picture cannot be read
    return place / "left"


def figures_of(left: Path) -> dict[str, Any]:
    return dict(json.loads((left / "metrics.json").read_text()))


def test_every_colouriser_has_every_figure_with_an_interval(left: Path) -> None:
    content = figures_of(left)
    names = {"first", "second", LOUD, ZERO, CONSTANT, ORACLE}
    assert content["colorizers"].keys() == names
    for figures in content["colorizers"].values():
        for name, own in figures.items():
            assert own.keys() == {"mean", "low", "high"}
            if "frechet" not in name:
                assert own["low"] <= own["mean"] <= own["high"], name
    assert content["colorizers"][LOUD]["delta_e2000"]["mean"] < 8
    assert content["colorizers"][ORACLE]["colorfulness_true"]["mean"] > 20
    assert content["protocol"]["name"] == "stretch256"
    assert content["data"]["pictures"] == 8
    assert (content["data"]["grey_left_out"], content["data"]["others_left_out"]) == (1, 1)
    assert len(content["checkpoints"]["first"]["sha256"]) == 64
    assert content["classes"].keys() == {"astronaut", "coffee"}
    assert any("fewer than 2048" in note for note in content["notes"])
    assert [(own["one"], own["other"]) for own in content["differences"]][-2:] == [
        (LOUD, "first"),
        (LOUD, "second"),
    ]


def test_the_rows_give_the_totals(left: Path) -> None:
    with (left / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 * 6
    assert {row["class"] for row in rows} == {"astronaut", "coffee"}
    content = figures_of(left)
    for name, figures in content["colorizers"].items():
        own = [float(row["delta_e2000"]) for row in rows if row["colorizer"] == name]
        assert np.mean(own) == pytest.approx(figures["delta_e2000"]["mean"], rel=1e-4)
        assert np.median(own) == pytest.approx(figures["delta_e2000_median"]["mean"], rel=1e-4)
    apart = content["differences"][-1]["ab_mae"]["mean"]
    one, other = (content["colorizers"][name]["ab_mae"]["mean"] for name in (LOUD, "second"))
    assert apart == pytest.approx(one - other, abs=1e-6)
    listed = (left / "left_out.csv").read_text()
    assert "broken.jpg,not a picture" in listed
    assert "grey.png,monochrome" in listed


def test_the_page_opens_in_a_browser_and_asks_the_network_for_nothing(
    left: Path, browser: Browser
) -> None:
    address = (left / "report.html").as_uri()
    phone = {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"}
    with browser.visit(address, **phone) as visit:
        page = visit.page
        assert page.locator("img[src='x']").count() == 0  # a name is no markup
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        charts = "[...document.querySelectorAll('.wide:has(svg)')]"
        assert page.evaluate(f"{charts}.length") >= 6
        assert page.evaluate(f"{charts}.every(chart => chart.scrollWidth <= chart.clientWidth)")
        tops = "one => [...one.querySelectorAll('img')].map(i => i.getBoundingClientRect().top)"
        picture, heat_map = page.locator("figure.mapped").first.evaluate(tops)
        assert picture == heat_map  # side by side on a phone
        assert page.evaluate("[...document.images].every(i => i.alt && (i.naturalWidth || !i.src))")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in background[4:-1].split(",")) < 60
        page.locator("button.look").nth(1).click()
        slider = page.locator("dialog input")
        slider.fill("20")
        assert (
            page.evaluate("getComputedStyle(document.querySelectorAll('.pair img')[1]).clipPath")
            == "inset(0px 0px 0px 20%)"
        )
        shown = page.locator("dialog select").nth(1).evaluate("s => s.selectedOptions[0].text")
        assert shown == "truth"
        assert page.locator("#figures tbody tr").count() == 7
        assert "Training" in page.inner_text("body")
        assert LOUD in page.inner_text("#figures")
        assert "stretch256" in page.inner_text("#figures")
    assert visit.errors == []
    assert [one for one in visit.requests if not one.startswith("data:")] == [address]


def judged_squares(folder: Path) -> dict[str, float]:
    """Mean squared error of ab of the references, `constant` taken on the judged images."""
    shown = examples.Examples(examples.choose(folder).pictures, "crop256", {}, None)
    truths = [color.uint8_to_L_ab(e.rgb[None])[1] for e in read(shown, 0) if e.rgb is not None]
    mean = torch.cat(truths).mean(dim=(0, 2, 3))
    of: dict[str, contestants.Contestant] = {
        ZERO: contestants.blind(Constant(ZERO, torch.zeros(2))),
        CONSTANT: contestants.blind(Constant(CONSTANT, mean)),
        ORACLE: contestants.oracle_constant,
    }
    judge = Judge(of, {}, {}, torch.device("cpu"))
    sums = dict.fromkeys(of, 0.0)
    for example in read(shown, 0):
        truth = judge.seen(example.samples)
        for name, picture in judge.painted(example).items():
            sums[name] += (judge.seen(picture.samples).ab - truth.ab).square().mean().item()
    return sums


def test_the_oracle_beats_the_constant_and_that_beats_grey(photos: Path) -> None:
    squares = judged_squares(photos)
    assert squares[ORACLE] < squares[CONSTANT] < squares[ZERO]


def test_the_truth_as_a_prediction_has_no_error(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = Path("few")
    few.mkdir()
    for i in range(2):
        shutil.copy(photos / f"chelsea{i}.jpg", few)
    for protocol in protocols.PROTOCOLS:
        status = run(
            "predictions=few",
            "data.root=few",
            f"protocol={protocol}",
            "keep_grey=true",
            f"hydra.run.dir={protocol}",
        )
        assert status == 0
        own = figures_of(Path(protocol))["colorizers"]
        assert own.keys() == {"few", ZERO, CONSTANT, ORACLE}
        for name in ("ab_mae", "delta_e2000", "delta_e76", "colorfulness_mean_of_differences"):
            assert own["few"][name]["mean"] == pytest.approx(0, abs=1e-3), name
        assert own["few"]["frechet_lite0"]["mean"] == pytest.approx(0, abs=1e-4)
        assert own["few"]["under_zero_at_half"]["mean"] == pytest.approx(50, abs=5)
        assert "under_zero_at_half" not in own[ZERO]
        lines = figures_of(Path(protocol))["by_saturation"]
        (at,) = (one for one in lines["few"] if one["factor"] == 1)
        assert at["colorfulness"] == pytest.approx(100, abs=0.1)
        assert at["under_zero"] == pytest.approx(100, abs=0.1)
        # What lacks a share of the chroma lacks it of the error's distance to grey, too.
        (half,) = (one for one in lines["few"] if one["factor"] == 0.5)
        assert half["under_zero"] == pytest.approx(50, abs=1)
        assert f"), {protocol};" in capsys.readouterr().out


def test_truths_without_color_can_be_judged(photos: Path) -> None:
    Path("grey").mkdir()
    for i in range(2):
        Image.open(photos / f"chelsea{i}.jpg").convert("L").save(f"grey/{i}.png")
    assert run("methods=[constant]", "data.root=grey", "keep_grey=true", "hydra.run.dir=out") == 0
    assert Path("out/report.html").is_file()


def test_only_the_test_split_is_judged_where_there_is_one(photos: Path) -> None:
    for i, split in enumerate(("train", "test")):
        Path("split", split).mkdir(parents=True)
        shutil.copy(photos / f"coffee{i}.jpg", Path("split", split))
    chosen = examples.choose(Path("split"))
    assert [picture.name for picture in chosen.pictures] == ["test/coffee1.jpg"]
    assert chosen.classes == {}


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harmed"),)


def test_what_cannot_be_used_is_named_in_one_line_and_the_rest_is_judged(
    place: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": Hostile()}, "hostile.ckpt")
    Path("damaged.ckpt").write_bytes(b"rubbish")
    torch.save({"weights": 1}, "other.ckpt")
    Path("few").mkdir()
    Path("predicted").mkdir()
    for i in (1, 2, 4):
        shutil.copy(photos / f"coffee{i}.jpg", "few")
        if i > 1:
            shutil.copy(photos / f"coffee{i}.jpg", "predicted")
    with Image.open("predicted/coffee2.jpg") as image:
        image.resize((30, 20)).save("predicted/coffee2.jpg")
    best = place / "first" / "checkpoints" / "best.ckpt"
    asked = f"checkpoints=[{best},hostile.ckpt,damaged.ckpt,other.ckpt,absent.ckpt]"
    status = run(asked, "predictions=[predicted,nowhere]", "data.root=few", "hydra.run.dir=run")
    assert status == 1
    said = capsys.readouterr().err.splitlines()
    for part in (
        "hostile.ckpt",
        "damaged.ckpt",
        "other.ckpt",
        "absent.ckpt",
        "nowhere",
        "coffee1.jpg: predicted has no picture",
        "expected 80x64 or 48x48, got 30x20",
    ):
        assert sum(part in line for line in said) == 1, part
    assert len(said) == 7
    assert not Path("harmed").exists()
    content = figures_of(Path("run"))
    assert content["data"]["pictures"] == 1
    assert content["models"] == ["first", "predicted"]
    assert content["colorizers"]["first"]["ab_mae"]["low"] is None


@pytest.mark.parametrize("method", [None, "constant"])
def test_what_is_judged_is_what_colorize_writes(tmp_path: Path, method: str | None) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
        shutil.copy(Path(skimage.data.__file__).parent / name, folder)
    words = [] if method is None else ["--method", method]
    with pytest.raises(SystemExit, match="0"):
        colorize.main([str(folder), "--output", "out", "--format", "png", *words])
    contestant = contestants.blind(registry.load(method, None))
    shown = examples.Examples(examples.choose(folder).pictures, "native", {}, None)
    for name, painted in side_by_side(lambda one: (one.name, contestant(one)), read(shown, 0)):
        with Image.open(Path("out", name).with_suffix(".png")) as written:
            assert np.array_equal(np.asarray(written), painted.samples), name


def test_methods_are_judged_by_name(place: Path) -> None:
    root = f"data.root={place / 'data' / 'coffee'}"
    assert run("methods=[zero,constant]", root, "hydra.run.dir=run") == 0
    content = figures_of(Path("run"))
    assert content["models"] == [ZERO, CONSTANT]
    assert content["colorizers"].keys() == {ZERO, CONSTANT, ORACLE}
    assert content["colorizers"][ZERO]["clipped"]["mean"] == 0


def test_size_and_views_that_are_asked_for_are_shown(place: Path) -> None:
    Path("one").mkdir()
    shutil.copy(place / "data" / "coffee" / "coffee1.jpg", "one")
    best = place / "first" / "checkpoints" / "best.ckpt"
    asked = (f"checkpoints=[{best}]", "data.root=one", "hydra.run.dir=run")
    assert run(*asked, "image_size=48", "views=2") == 0
    (told,) = figures_of(Path("run"))["checkpoints"].values()
    assert (told["image_size"], told["views"]) == (48, 2)
    assert "shown 48 pixels in 2 views" in Path("run/report.html").read_text()


def test_the_network_that_ships_is_judged_where_nothing_is_named(place: Path) -> None:
    assert run(f"data.root={place / 'data' / 'coffee'}", "hydra.run.dir=run") == 0
    assert figures_of(Path("run"))["models"] == ["lite0_palette.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("predictions=empty",), "has the name of a judged one"),
        (("checkpoints=absent.ckpt",), "no checkpoint at absent.ckpt"),
        (("checkpoints=A", "data.root=empty"), "no pictures to judge in empty"),
        (("checkpoints=A", "data.root=nowhere"), "data.root=nowhere is no folder"),
        (("checkpoints=A", "protocol=whole"), "expected one of stretch256, crop256, native"),
        (("methods=magic",), "methods=magic: expected one of zero, constant"),
        (("views=3",), "views=3: expected one of 1, 2, 6"),
        (
            ("image_size=9",),
            "image_size=9: expected a whole number of at least 16 and at most 8192",
        ),
        (("checkpoints=A", "keep_grey=maybe"), "keep_grey=maybe: expected true or false"),
        (("checkpoints=A", "one_hue=2"), "one_hue=2: expected a number in [0, 1]"),
        (("checkpoints=target.ckpt",), "target.ckpt: _target_ 'os.system' is not allowed"),
        (("checkpoints=A", "data.root=grey"), "1 are grey or toned, which keep_grey=true keeps"),
    ],
)
def test_a_mistake_ends_with_one_line(
    arguments: tuple[str, ...],
    part: str,
    place: Path,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = {"generator": {"_target_": "os.system"}, "image_size": 32}
    torch.save({"hyper_parameters": hostile, "state_dict": {}}, "target.ckpt")
    Path("empty").mkdir()
    Path("grey").mkdir()
    Image.linear_gradient("L").save("grey/ramp.png")
    best = place / "first" / "checkpoints" / "best.ckpt"
    typed = [argument.replace("=A", f"={best}") for argument in arguments]
    root = [] if any("data.root" in argument for argument in typed) else [f"data.root={photos}"]
    assert run(*typed, *root, "hydra.run.dir=run") == 1
    printed = capsys.readouterr()
    assert part in printed.err
    assert printed.err.count("\n") == 1


def unreachable(*_: object, **__: object) -> None:
    raise URLError("no route")


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both optional packages are there, and cannot download what they need."""
    for package in ("torch_fidelity", "torchvision"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setattr(fid, "NoTrainInceptionV3", unreachable)
    monkeypatch.setattr(lpip, "LearnedPerceptualImagePatchSimilarity", unreachable)


@pytest.mark.usefixtures("no_weights")
def test_a_figure_without_its_package_or_weights_is_named_and_the_others_are_kept(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    shutil.copytree(place / "data" / "coffee", "few")
    best = place / "first" / "checkpoints" / "best.ckpt"
    status = run(
        f"checkpoints={best}", "data.root=few", "fid=true", "lpips=true", "hydra.run.dir=r"
    )
    assert status == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "fid=true needs the package torch-fidelity" in first
    assert "pip install -c constraints.txt -e '.[fid]'" in first
    assert "lpips=true needs weights" in second
    assert f"alexnet-owt-7be5be79.pth into {torch.hub.get_dir()}/checkpoints" in second
    found = figures_of(Path("r"))["colorizers"]["first"]
    assert {"delta_e2000", "frechet_lite0"} < found.keys()
    assert found.keys().isdisjoint({"fid", "lpips"})
    text = Path("r", "report.html").read_text()
    assert "Left out: fid=true needs the package torch-fidelity" in text
    assert "was not asked for" not in text


@pytest.mark.usefixtures("no_weights")
def test_what_a_missing_package_or_weights_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cpu")
    weights = (
        r"fid=true needs weights .*: put https://.*/weights-inception.*pth into .*\(.*no route"
    )
    with pytest.raises(ValueError, match=weights):
        pretrained.inception(device)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ValueError, match=r"lpips=true needs the package torchvision.*\.\[lpips\]"):
        pretrained.lpips(device)


class Lpips:
    """Stands for torchmetrics' metric around a network that takes [-1, 1] by default."""

    def __init__(self, kind: str) -> None:
        self.net = self

    def eval(self) -> "Lpips":
        return self

    def to(self, device: torch.device) -> "Lpips":
        return self

    def __call__(
        self, rgb: torch.Tensor, true_rgb: torch.Tensor, normalize: bool = False
    ) -> torch.Tensor:
        assert normalize
        return (rgb - true_rgb).abs().mean(dim=(1, 2, 3), keepdim=True)


@pytest.mark.usefixtures("no_weights")
def test_fid_and_lpips_stand_beside_the_other_figures(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Inception(torch.nn.Module):
        def forward(self, rgb: torch.Tensor) -> torch.Tensor:
            assert rgb.dtype == torch.uint8
            return rgb[:, :, :2, :2].flatten(1) / 255

    monkeypatch.setattr(fid, "NoTrainInceptionV3", lambda *_: Inception())
    monkeypatch.setattr(lpip, "LearnedPerceptualImagePatchSimilarity", Lpips)
    shutil.copytree(place / "data" / "coffee", "few")
    (Path("few") / "grey.png").unlink()
    status = run("predictions=few", "data.root=few", "fid=true", "lpips=true", "hydra.run.dir=r")
    assert status == 0
    found = figures_of(Path("r"))["colorizers"]
    for figure in ("fid", "lpips"):
        assert found["few"][figure]["mean"] == pytest.approx(0, abs=1e-6)
        assert found[ZERO][figure]["mean"] > 0.01
    assert found[ZERO]["lpips"]["low"] < found[ZERO]["lpips"]["mean"]
    page = Path("r", "report.html").read_text()
    assert "<th>FID</th>" in page
    assert "<th>LPIPS</th>" in page


@pytest.mark.usefixtures("no_weights")
def test_a_picture_too_small_for_lpips_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpip, "LearnedPerceptualImagePatchSimilarity", Lpips)
    distance = pretrained.lpips(torch.device("cpu"))
    assert distance(torch.ones(1, 3, 31, 40), torch.zeros(1, 3, 31, 40)).tolist() == [1.0]
    with pytest.raises(ValueError, match=r"LPIPS needs sides of 31 pixels: got 40x30"):
        distance(torch.zeros(1, 3, 30, 40), torch.zeros(1, 3, 30, 40))


def test_training_sets_with_other_means_have_constants_of_their_own(tmp_path: Path) -> None:
    paths = [
        save_checkpoint(tmp_path / f"{name}.ckpt", mean)
        for name, mean in (("a", (0.01, 0.05)), ("b", (0.01, 0.05)), ("c", (0.2, 0.05)))
    ]
    loaded, faults = contestants.load(paths)
    assert faults == []
    named = dict(zip(contestants.names(paths), loaded.values(), strict=True))
    assert [*contestants.references(named)] == [ZERO, CONSTANT, "constant of c", ORACLE]


def test_names_are_short_and_tell_checkpoints_apart() -> None:
    paths = [
        Path("/o/cnn/2026-01-01_10-00-00/checkpoints/best.ckpt"),
        Path("/o/unet/checkpoints/best.ckpt"),
        Path("/o/unet/checkpoints/last.ckpt"),
        Path("/p/unet/checkpoints/best.ckpt"),
        Path("/o/zero"),
        Path("/o/DDColor"),
    ]
    assert contestants.names(paths) == [
        "cnn/2026-01-01_10-00-00",
        "unet",
        "unet/last",
        "p/unet",
        "o/zero",
        "DDColor",
    ]


def test_ten_checkpoints_on_200_pictures_stay_under_25_megabytes() -> None:
    from src.evaluation import report

    # Every picture that is shown with grey, ten colourings, their maps and the truth, at the
    # size that the budget leaves, of noise, which compresses worst of all.
    shown = 3 * report.OF_EACH + report.SAMPLE
    side = report.side_of(shown, 10)
    noise = np.random.default_rng(0).normal(128, 30, (side, side, 3)).clip(0, 255).astype(np.uint8)
    photograph = Image.fromarray(noise).resize((side // 4, side // 4)).resize((side, side))
    assert shown * 22 * len(report.tile_uri(photograph, side)) < 25e6
    assert side >= 256


def test_the_configuration_says_what_can_be_set() -> None:
    text = (ROOT / "conf" / "evaluate.yaml").read_text()
    assert all(name in text for name in protocols.PROTOCOLS)


def test_hints_from_the_truth_make_a_curve(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = place / "first" / "checkpoints" / "best.ckpt"
    folder = place / "hinted"
    run(
        f"checkpoints=[{best}]",
        "hints=[0,5,40]",
        f"data.root={place / 'data' / 'coffee'}",
        f"hydra.run.dir={folder}",
    )
    assert "With so many hints" in capsys.readouterr().out
    found = figures_of(folder)["hints"]
    assert found.keys() == {"first", "zero (Levin alone)"}
    for by_count in found.values():
        psnr = [by_count[count]["psnr"]["mean"] for count in ("0", "5", "40")]
        assert psnr == sorted(psnr)
        assert psnr[2] > psnr[0] + 2
    with (folder / "hints.csv").open(newline="") as file:
        assert len([*csv.DictReader(file)]) == 4 * 2 * 3
    page = (folder / "report.html").read_text()
    assert page.count("zero (Levin alone)") >= 2
    assert run("hints=[-1]", f"data.root={place / 'data'}", f"hydra.run.dir={folder}") == 1
    assert "hints=-1: expected a whole number" in capsys.readouterr().err
