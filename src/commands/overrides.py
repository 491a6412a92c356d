"""Overrides as people type them, made readable for Hydra's grammar: KEY=VALUE, +KEY=VALUE."""

import glob
import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from src import files
from src.errors import UserError, require_one_of

# Keys whose values are paths, in which Hydra's grammar has no say.
PATHS = {
    "callbacks.curves.folder",
    "callbacks.panels.folder",
    "data.folder",
    "data.index_dir",
    "data.report_dir",
    "data.root",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "logger.csv.folder",
    "logger.wandb.folder",
    "model.init_encoder",
    "model.init_generator",
    "rates",
    "reference",
    "resume",
    "run.folder",
    "source",
    "target",
    "trainer.default_root_dir",
}
LISTS = {"checkpoints", "merge", "predictions"}  # of paths
NO_PATH = ("", "null", "???")
# Options of Hydra's that take the next argument.
TAKING = {
    "--package",
    "-p",
    "--config-path",
    "-cp",
    "--config-name",
    "-cn",
    "--config-dir",
    "-cd",
    "--experimental-rerun",
    "--cfg",
    "-c",
    "--info",
    "-i",
}
ELSEWHERE = ("--config-dir", "-cd", "hydra.searchpath=")  # names folders with options of their own
ITEM = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^,]*?)\s*(?:,|$)""")


def for_hydra(
    arguments: Sequence[str],
    open_nodes: Collection[str] = (),
    beside_resume: Mapping[str, str] | None = None,
) -> list[str]:
    """Quote the paths among a command's arguments, and let + stand before keys that there are.

    A path that begins with ~ is expanded, since shells leave it as it is after a =. Under -m a
    comma separates values, unless the whole is a path that exists.

    Args:
        open_nodes: of the configuration, in which keys need no + that conf/ does not list; what is
            built of the node refuses those that it does not know.
        beside_resume: keys that may stand beside resume=, and how they are typed.
    """
    multirun = not {"-m", "--multirun", "hydra.mode=MULTIRUN"}.isdisjoint(arguments)
    pairs = [*zip(["", *arguments], arguments, strict=False)]
    typed = [one for before, one in pairs if not one.startswith("-") and before not in TAKING]
    resumes = any(key_of(one) == "resume" and one.split("=")[-1] not in NO_PATH for one in typed)
    if resumes and beside_resume is not None and not multirun:
        _require_few(typed, beside_resume)
        # The run has its own configuration: what is composed of the defaults only carries these.
        added = {one: f"+{one.lstrip('+')}" for one in typed if "." in key_of(one)}
    else:
        added = {}
    readable = [
        _readable(added.get(one, one), multirun, open_nodes) if one in typed else one
        for one in arguments
    ]
    if not any(one.startswith(ELSEWHERE) for one in arguments):
        for one in readable:
            _require_option(one)
    return readable


def key_of(override: str) -> str:
    """Return the key of an override without what says how it is changed."""
    return override.lstrip("+~").split("=")[0]


def quoted(text: str) -> str:
    """Quote a text so that Hydra reads it as it is."""
    # Backslashes are doubled only before a quote, and so at the end.
    escaped = re.sub(
        r"(\\*)('|$)", lambda found: found[1] * 2 + (found[2] and rf"\{found[2]}"), text
    )
    return f"'{escaped}'"


def _require_few(typed: Sequence[str], beside_resume: Mapping[str, str]) -> None:
    """Refuse what may not stand beside resume=. Raises: UserError: naming it."""
    allowed = ("resume", *beside_resume)
    others = [
        one.lstrip("+")
        for one in typed
        if one.startswith("~") or not (key_of(one) in allowed or key_of(one).startswith("logger."))
    ]
    if others:
        raise UserError(
            f"{', '.join(others)}: expected nothing but {', '.join(beside_resume.values())} "
            "beside resume=, since a run resumes with its own configuration"
        )
    loggers = sorted(path.stem for path in (files.CONF / "logger").glob("*.yaml"))
    for one in typed:
        if key_of(one) == "logger":
            require_one_of("logger", one.partition("=")[2], loggers)


def _require_option(argument: str) -> None:
    """Refuse what a group of conf/ does not have, in a sweep before its first job.

    Raises: UserError: naming what there is.
    """
    group = key_of(argument)
    if argument.startswith("~") or "=" not in argument or not (files.CONF / group).is_dir():
        return
    known = sorted(path.stem for path in (files.CONF / group).glob("[!_]*.yaml"))
    value = cast(Any, _parsed(argument)).value()
    for chosen in getattr(value, "list", [value]):  # of a sweep there are several
        name = getattr(chosen, "text", chosen)  # without its quotes
        if isinstance(name, str):
            require_one_of(group, name.removesuffix(".yaml"), known)


def _readable(argument: str, multirun: bool, open_nodes: Collection[str]) -> str:
    typed, equals, value = argument.partition("=")
    key = key_of(typed)
    node, _, name = key.partition(".")
    within = any(key.startswith(f"{one}.") for one in open_nodes if "." in one)
    if typed.startswith("+") or (
        typed == key and (within or (node in open_nodes and not _is_listed(node, name)))
    ):
        typed = key if _is_group(key) else f"++{key}"
    if typed.startswith("~") or not equals:
        pass
    elif key in LISTS and value not in NO_PATH:
        if not (multirun and (several := _parsed(argument)) and several.is_sweep_override()):
            value = f"[{','.join(_path(item) for item in _items(value))}]"
    elif key in PATHS and value not in NO_PATH:
        value = _paths(value, multirun and not key.startswith("hydra."))  # which no sweep varies
    override = f"{typed}{equals}{value}"
    if not equals and not typed.startswith("~"):
        raise UserError(f"{argument}: expected KEY=VALUE, without spaces around the =")
    if _parsed(override) is None:
        command = files.to_paste(f"{typed}={quoted(value)}")
        raise UserError(
            f"{argument}: a value with such characters is quoted, for Hydra and for the shell: "
            f"{command}"
        )
    return override


def _is_group(key: str) -> bool:
    return "." not in key and (files.CONF / key).is_dir()


def _is_listed(node: str, name: str) -> bool:
    return not name or any(name in OmegaConf.load(one) for one in (files.CONF / node).glob("*"))


def _items(value: str) -> list[str]:
    """Split a list at its commas, with or without brackets around it."""
    if _exists(value):
        return [value]
    if value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    return [name for item in ITEM.findall(value) if item for name in _matching(item)]


def _matching(item: str) -> list[str]:
    """Return what a pattern such as outputs/*/best.ckpt stands for; no shell expands it here."""
    if _exists(item) or not glob.has_magic(item):
        return [item]
    return sorted(glob.glob(_expanded(item), recursive=True)) or [item]  # noqa: PTH207 (as shells)


def _paths(value: str, multirun: bool) -> str:
    """Quote a path, or each of several that a sweep goes through."""
    if _exists(value) or not multirun:
        return _path(value)
    parsed = _parsed(f"key={value}")
    if parsed is not None and parsed.is_sweep_override() and re.match(r"\w+\(", value):
        return value  # such as choice(a,b)
    return ",".join(_path(item) for item in _items(value))


def _path(text: str) -> str:
    parsed = _parsed(f"key={text}")
    value = None if parsed is None or parsed.is_sweep_override() else parsed.value()
    if text[:1] in ("'", '"') and isinstance(value, str) and not _exists(text):
        text = value
    expanded = _expanded(text)
    if _exists(expanded):
        expanded = expanded.replace("${", r"\${")  # no interpolation, but a name
    again = _parsed(f"key={expanded}")
    plain = again is not None and not again.is_sweep_override() and again.value() == expanded
    # At its end a backslash would keep what follows in a list from ending the item.
    return expanded if plain and not expanded.endswith("\\") else quoted(expanded)


def _exists(path: str) -> bool:
    return os.path.lexists(_expanded(path))


def _expanded(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111 (pathlib would write it another way)


def _parsed(override: str) -> Any:
    """Parse an override; None where Hydra cannot."""
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException:
        return None
