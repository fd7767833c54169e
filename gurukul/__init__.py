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

Settings are the fields of `docs/settings.md`. Nothing is read from the environment or from a file: a call gives what it
needs. Errors are raised as `GurukulError`, with the sentence that the command line would print.
"""

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
