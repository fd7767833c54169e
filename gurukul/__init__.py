"""Gurukul's Python API: the same runs, artifacts and predictions as the command line, as functions and data frames.

    import gurukul

    dates = {"start_date": "2022-01-01", "end_date": "2024-12-31"}
    gurukul.plan(source="csv:bars", **dates)
    run = gurukul.run(source="csv:bars", **dates)
    run.rows("student"), run.predictions(), run.model("TCS_2022-01-01_to_2022-06-30")

`feature` and `label` mark a function of your own as a feature or a label, and `model` a class as a kind of model, in a
file that `--plugins` names (`docs/plugins.md`).

Settings are the fields of `docs/settings.md`. Nothing is read from the environment or from a file: a call gives what it
needs. Errors are raised as `GurukulError`, with the sentence that the command line would print.
"""

from gurukul.commands import open_run, plan, predict, resume, run
from gurukul.stored_model import StoredModel
from gurukul.stored_run import RoleName, StoredRun
from schemas.contract.errors import GurukulError
from schemas.contract.model_declarations import model
from schemas.contract.plugin_declarations import feature, label

__all__ = [
    "GurukulError", "RoleName", "StoredModel", "StoredRun", "feature", "label", "model", "open_run", "plan", "predict",
    "resume", "run",
]  # fmt: skip
