"""A plug-in with a model, as tests use it; `orchestrator new` writes the same class."""

from pathlib import Path

import pytest

from orchestrator.cli.new import EXAMPLE
from schemas.config.features import Plugged, Plugin
from schemas.contract.plugin_source import PLUGINS_ENV, plugin_digest
from workers.plugins.loading import plugins_here

# From the decorator of its model to the next one.
HEAD = "import json\nfrom dataclasses import dataclass\n\nimport gurukul as gk\nimport numpy as np\n\n\n"
CENTRES = HEAD + "@gk.model" + EXAMPLE.partition("@gk.model")[2].partition("@gk.")[0]


def plug_in(path: Path, code: str, patch: pytest.MonkeyPatch) -> Plugged:
    """Write a plug-in and give it to this process; returns what a run's settings hold of it."""
    path.write_text(code)
    patch.setenv(PLUGINS_ENV, str(path))
    (loaded,) = plugins_here().values()
    models = tuple(each.facts for each in loaded.models)
    plugin = Plugin(name=path.stem, sha256=plugin_digest(str(path)), models=models)
    return Plugged(timezone="UTC", plugins=(plugin,))
