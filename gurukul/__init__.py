"""Gurukul's Python API: the same runs, artifacts and predictions as the command line, as functions and data frames.

    import gurukul

    dates = {"start_date": "2022-01-01", "end_date": "2024-12-31"}
    gurukul.plan(source="csv:bars", **dates)
    run = gurukul.run(source="csv:bars", **dates)
    run.windows(), run.predictions(), run.gates(), run.report()
    label = "TCS_2022-01-01_to_2022-06-30"
    run.model(label).predict(run.features(label))

Data are pandas frames: an instant is a `datetime64` in UTC, a day of the exchange a `datetime64` without a zone.

`feature`, `label` and `gate` mark a function of your own as a feature, a label or a gate, and `model` a class as a kind
of model, in a file that `--plugins` names (`docs/plugins.md`). A gate returns what `criterion` makes.
`source` marks a function that reads bars.

Settings are the fields of `docs/settings.md`. They are read neither from the environment nor from a file: a call gives
what it needs, also `trials_dir` where commands have it by GURUKUL_TRIALS_DIR. Errors are raised as `GurukulError`, with
the sentence that the command line would print; settings are named as arguments.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gurukul.commands import check, compare, open_run, plan, predict, resume, run
    from gurukul.comparison import Comparison
    from gurukul.report import Report
    from gurukul.stored_model import StoredModel
    from gurukul.stored_run import RoleName, StoredRun
    from schemas.contract.errors import GurukulError
    from schemas.contract.gate_declarations import criterion, gate
    from schemas.contract.model_declarations import model
    from schemas.contract.plugin_declarations import feature, label, source

__all__ = [
    "Comparison", "GurukulError", "Report", "RoleName", "StoredModel", "StoredRun", "check", "compare", "criterion",
    "feature", "gate", "label", "model", "open_run", "plan", "predict", "resume", "run", "source",
]  # fmt: skip

# Imported when first used, so that the program `gurukul`, whose package this is, starts at once.
_MODULE_OF = {
    **dict.fromkeys(("check", "compare", "open_run", "plan", "predict", "resume", "run"), "gurukul.commands"),
    **dict.fromkeys(("RoleName", "StoredRun"), "gurukul.stored_run"),
    **dict.fromkeys(("criterion", "gate"), "schemas.contract.gate_declarations"),
    **dict.fromkeys(("feature", "label", "source"), "schemas.contract.plugin_declarations"),
    "Comparison": "gurukul.comparison",
    "GurukulError": "schemas.contract.errors",
    "Report": "gurukul.report",
    "StoredModel": "gurukul.stored_model",
    "model": "schemas.contract.model_declarations",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
