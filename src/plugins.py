"""Hydra's launchers and sweepers that this project has a configuration for, all optional."""

import importlib.util
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from src.errors import UserError

# The plugins and the extras of pyproject.toml that bring them.
EXTRAS = {
    "hydra_optuna_sweeper": "optuna",
    "hydra_joblib_launcher": "joblib",
    "hydra_submitit_launcher": "submitit",
    "hydra_ray_launcher": "ray",
}


def register(folder: Path) -> None:
    """Make `folder`/launcher/NAME.yaml what hydra/launcher=NAME means, and likewise the sweepers.

    Hydra refuses files that are named as a plugin's own configuration: these take its place, and
    can be composed where the plugin is not installed, so that a person is told what to install.
    """
    Plugins.instance()  # its own configurations are registered here
    for path in folder.glob("*/*.yaml"):
        group = f"hydra/{path.parent.name}"
        ConfigStore.instance().store(path.stem, OmegaConf.load(path), group, provider="conf")


def require_installed(target: str) -> None:
    """Refuse the `_target_` of a plugin that is not there. Raises: UserError."""
    package = target.split(".")[1]
    if package in EXTRAS and importlib.util.find_spec(f"hydra_plugins.{package}") is None:
        raise UserError(
            f"{package} is not installed: pip install -c constraints.txt -e '.[{EXTRAS[package]}]'"
        )
