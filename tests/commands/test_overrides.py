from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from src import files
from src.commands import overrides
from src.errors import UserError
from tests.conftest import read_by_shell

NAMES = (
    "bilder/Großmutter",
    "Фото",
    "日本",
    "e\u0301",
    "a b",
    " lead",
    "trail ",
    "a[1]",
    "[x]",
    "a=b",
    "a,b",
    "2024",
    "007",
    "true",
    "1e5",
    "inf",
    "it's",
    'say "x"',
    "C:\\photos\\new",
    "back\\",
    "photos(1)",
    "choice(a,b)",
    "{x}",
    "a#b",
    "a;b",
    "a!b",
    "a&b",
    "100 %",
    "$HOME",
    "a:b",
    "-x",
    "a\nb",
    "null/a",
    '"',
    "\\'",
    "http://host:80/{000..010}.tar?x=1&y=2",
)


def composed(name: str, *arguments: str) -> DictConfig:
    """Return the configuration of the command `name`."""
    with initialize_config_dir(str(files.CONF), version_base="1.3"):
        return compose(name, overrides.for_hydra(arguments))


def read(key: str, *arguments: str, name: str = "train") -> object:
    """Return a key's value as the command `name` would see it."""
    value = OmegaConf.select(composed(name, *arguments), key)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


@pytest.mark.parametrize("name", NAMES)
def test_paths_may_have_any_name(name: str) -> None:
    config = composed("prepare", f"source={name}", f"merge=[{overrides.quoted(name)},b]")
    assert config.source == name
    assert config.merge == [name, "b"]


@pytest.mark.parametrize("name", ["${x}", "a ${b} c", "${now:%Y}"])
def test_a_folder_that_exists_is_no_interpolation(name: str) -> None:
    Path(name).mkdir()
    assert read("source", f"source={name}", name="prepare") == name


def test_interpolations_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOS", "Fotos von Oma")
    assert read("data.root", "data=folder", "data.root=${oc.env:PHOTOS}/a b") == "Fotos von Oma/a b"


def test_what_needs_no_quotes_gets_none() -> None:
    plain = [
        "data.root=/data/photos_2",
        "model=unet",
        "seed=1",
        "resume=null",
        "model.init_generator=",
    ]
    assert overrides.for_hydra(plain) == plain


@pytest.mark.parametrize("quoted", ["'a b'", '"a b"', r"'it\'s'"])
def test_who_quotes_for_hydra_may_go_on_doing_so(quoted: str) -> None:
    name = "it's" if "it" in quoted else "a b"
    assert read("data.root", "data=folder", f"data.root={quoted}") == name


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/Käthe Maier")
    assert read("data.root", "data=folder", "data.root=~/photos") == "/home/Käthe Maier/photos"
    assert read("checkpoints", "checkpoints=[~/a.ckpt,~]", name="evaluate") == [
        "/home/Käthe Maier/a.ckpt",
        "/home/Käthe Maier",
    ]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a", ["a"]),
        ("[a]", ["a"]),
        ("a,b c", ["a", "b c"]),
        ("[Köln (1),b=c]", ["Köln (1)", "b=c"]),
        ("'a,b',c", ["a,b", "c"]),
        ('["a,b", c]', ["a,b", "c"]),
        ("[]", []),
        ("run[1]/a", ["run[1]/a"]),
        ("Oma's,x", ["Oma's", "x"]),
        ("there, too", ["there, too"]),
    ],
)
def test_lists_are_split_at_commas(typed: str, expected: list[str]) -> None:
    Path("there, too").mkdir()
    assert read("merge", f"merge={typed}", name="prepare") == expected


def test_patterns_in_lists_stand_for_what_is_there() -> None:
    for name in ("b", "a", "c [1]"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "best.ckpt").touch()
    found = read("checkpoints", "checkpoints=[runs/*/best.ckpt,x.ckpt]", name="evaluate")
    assert found == ["runs/a/best.ckpt", "runs/b/best.ckpt", "runs/c [1]/best.ckpt", "x.ckpt"]
    assert read("checkpoints", "checkpoints=none/*.ckpt", name="evaluate") == ["none/*.ckpt"]


def test_in_a_sweep_a_comma_separates_values_but_in_the_name_of_a_folder() -> None:
    Path("Köln, 1920").mkdir()
    assert overrides.for_hydra(["-m", "data.root=a b,Фото"]) == ["-m", "data.root=a b,'Фото'"]
    assert overrides.for_hydra(["-m", "data.root=Köln, 1920"]) == ["-m", "data.root='Köln, 1920'"]
    assert overrides.for_hydra(["-m", "data.root=choice(a,b)"]) == ["-m", "data.root=choice(a,b)"]
    assert overrides.for_hydra(["data.root=a,b"]) == ["data.root='a,b'"]


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        (["model=unte"], "model=unte: expected one of attention_unet, cnn, "),
        (["model/discriminator='pixle'"], "discriminator=pixle: expected one of global, multis"),
        (["+experiment=story"], "experiment=story: expected one of debug, imagenet50k, "),
        (["-m", "model=cnn,unte", "seed=0,1"], "model=unte: expected one of"),
        (["-m", "model/loss=choice(l1,l2)"], "model/loss=l2: expected one of cross_entropy, "),
    ],
)
def test_a_name_that_no_group_has_is_told_beside_those_that_it_has(
    typed: list[str], fault: str
) -> None:
    with pytest.raises(UserError) as refused:
        overrides.for_hydra(typed)
    assert fault in str(refused.value)
    assert "_base" not in str(refused.value)


@pytest.mark.parametrize(
    "typed",
    [
        ["experiment=null", "model=cnn.yaml", "hydra/launcher=joblib", "size=full"],
        ["~logger", "data=folder", "data.root=model=x"],
        ["-m", "model=glob(*unet*)", "experiment=null,debug"],
        ["--config-dir=mine", "model=mine"],
        ["-cd", "mine", "model=mine"],
    ],
)
def test_what_else_may_be_chosen_stays_what_it_is(typed: list[str]) -> None:
    assert len(overrides.for_hydra(typed)) == len(typed)


def test_an_open_node_takes_keys_that_conf_does_not_list() -> None:
    typed = ["trainer.min_epochs=2", "trainer.max_epochs=3", "seed=1"]
    assert overrides.for_hydra(typed, ["trainer"]) == ["++trainer.min_epochs=2", *typed[1:]]
    assert overrides.for_hydra(typed) == typed


def test_a_plus_on_a_key_that_exists_overrides_it() -> None:
    assert read("trainer.detect_anomaly", "+trainer.detect_anomaly=true") is True
    assert read("trainer.min_epochs", "+trainer.min_epochs=2") == 2
    assert read("size.image_size", "+size=full") == 256


@pytest.mark.parametrize(
    "argument", ["run.name=Käthe", "run.name=a#b", "logger.wandb.project=a(1)"]
)
def test_other_values_that_hydra_cannot_read_are_told_how_to_be_quoted(argument: str) -> None:
    with pytest.raises(UserError, match="quoted") as told:
        overrides.for_hydra([argument])
    command = str(told.value).split(": ")[-1]
    [typed] = read_by_shell(command)
    key, value = argument.split("=")
    assert read(key, typed) == value


@pytest.mark.parametrize("arguments", [["data.root", "photos"], ["data.root", "=", "photos"]])
def test_an_override_without_its_value_is_said(arguments: list[str]) -> None:
    with pytest.raises(UserError, match="expected KEY=VALUE"):
        overrides.for_hydra(arguments)


def test_hydras_own_options_are_left_to_it() -> None:
    arguments = ["--cfg", "job", "-cd", "my=conf", "~logger", "--multirun", "seed=0,1"]
    assert overrides.for_hydra(arguments) == arguments


def test_a_comma_in_hydras_own_folder_is_part_of_its_name_in_a_sweep() -> None:
    typed = ["-m", "seed=0,1", "hydra.sweep.dir=out/a, b", "data.root=x,y"]
    assert overrides.for_hydra(typed) == [
        "-m",
        "seed=0,1",
        "hydra.sweep.dir='out/a, b'",
        "data.root=x,y",
    ]
