"""Write the pages of settings, terms, features and models, tables and JSON Schema of events, and the constraint files.

Run: python docs/generate.py
"""

import json
from pathlib import Path

from packaging.requirements import Requirement
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from orchestrator.audit.glossary import glossary
from orchestrator.cli.config_flags import SWITCHES
from orchestrator.runs.settings import ENV_PREFIX, FILLED_IN, TABLES, flag_of
from schemas.config.bars import BarsConfig, IngestConfig
from schemas.config.costs import CostRates
from schemas.config.features import PANEL_NAMES
from schemas.config.judgement import GateSettings
from schemas.config.model_kinds import KINDS, OPTIONAL_LIBRARIES, ROLES
from schemas.config.release import ReleaseConfig
from schemas.config.run import RunConfig
from schemas.config.side import SIDE_LIBRARIES
from schemas.config.target import CLASS, VALUE
from schemas.config.tuning import TuneConfig
from schemas.contract.event import EventType, TrainingEvent
from schemas.contract.versions import LIBRARIES, XGBOOST_NAMES
from schemas.contract.window import WARMUP_BARS
from workers.features.cross_section import BETA_BARS, cross_section_names
from workers.features.registry import FEATURES

ROOT = Path(__file__).parents[1]
SETTINGS = Path(__file__).with_name("settings.md")
EVENT_SCHEMA = Path(__file__).with_name("training-event.schema.json")
TELEMETRY = Path(__file__).with_name("telemetry.md")
EVENTS_BEGIN, EVENTS_END = "<!-- Written by docs/generate.py. -->\n", "<!-- End of what docs/generate.py writes. -->\n"
GLOSSARY = Path(__file__).with_name("glossary.md")
FEATURES_PAGE = Path(__file__).with_name("features.md")
MODELS_PAGE = Path(__file__).with_name("models.md")
CONSTRAINTS = ROOT / "schemas" / "constraints"
PYTHONS = ("3.11", "3.12", "3.13")


def event_schema() -> str:
    """JSON Schema (draft 2020-12) of one line of an event log."""
    schema = TrainingEvent.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema, indent=2) + "\n"


def event_tables() -> str:
    """Markdown tables of the event types and of an event's fields."""
    types = [f"| `{each}` | {each.meaning} |" for each in EventType]
    fields = [f"| `{name}` | {field.description} |" for name, field in TrainingEvent.model_fields.items()]
    lines = ["", "| event | meaning |", "|---|---|", *types, "", "| field | meaning |", "|---|---|", *fields, ""]
    return "\n".join(lines) + "\n"


def telemetry_page() -> str:
    """docs/telemetry.md with its tables of events written anew."""
    before, _, rest = TELEMETRY.read_text(encoding="utf-8").partition(EVENTS_BEGIN)
    return before + EVENTS_BEGIN + event_tables() + EVENTS_END + rest.partition(EVENTS_END)[2]


def glossary_page() -> str:
    """docs/glossary.md: every term of the glossary that reports show."""
    head = "# Glossary\n\nOne meaning per word, in the code as in the documentation.\n\n| term | meaning |\n|---|---|\n"
    return head + "".join(f"| **{name}** | {meaning} |\n" for name, meaning in glossary().items())


def features_page() -> str:
    """docs/features.md: every registered feature, and the columns of a panel."""
    own = [f"| `{each.name}` | {each.formula} | {each.warmup_bars} | {each.source} |" for each in FEATURES.values()]
    ranked = [f"`{name.removeprefix('rank_')}`" for name in cross_section_names() if name not in PANEL_NAMES]
    return f"""# Features

Written by `python docs/generate.py` from the registry (`workers/features`). What a teacher and a student see of a bar:
{len(own)} numbers without unit, computed from bars up to it. Warm-up is the number of bars after which a value no
longer depends on where the history begins. Rows of the first {WARMUP_BARS} bars are never used. A value that does not
exist (nothing was traded, the price stands still) is missing: a logistic student takes the column's mean, trees have a
branch for it. CONTRIBUTING.md shows how to add one.

| feature | formula | warm-up, bars | source |
|---|---|--:|---|
{chr(10).join(own)}

## Cross-section

With `--features cross-section`, and with `--label rank`, models see these instead, computed over the symbols that have
a bar at the same instant ([method.md](method.md#rank-label)):

- `rank_` and the name of a feature: its rank among the symbols, from -0.5 to 0.5. Ranked are {", ".join(ranked)};
- `market_return`: the mean log return of the symbols over one bar; `market_dispersion`: its deviation; `beta`: the
  slope of the symbol's returns on the mean's over {BETA_BARS} bars.
"""


ONNX_SECTION = """## ONNX

`orchestrator export RUN_ID WINDOW --onnx F.onnx` writes a student, or with `--role teacher` its teacher, as an ONNX
file (extra `[onnx]`). All built-in kinds have a graph, models of plug-ins have none; a student that adds its teacher is
one graph with both. A privileged teacher is refused: it reads what is not known at a decision.

| | name | type |
|---|---|---|
| input | `features` | double, (rows, features): columns in the order of the file's text `features`, NaN where missing |
| input | `offset` | double, (rows): logit of a symbol's base rate, or its mean, from the file's text `offsets` |
| output | `probability` | double, (rows): of label 1; of labels that are values `value` instead, the prediction |

Before a file is written, onnxruntime predicts all rows of the window with it. The largest difference of a probability
to the stored model is printed; above 1e-6 nothing is written, for values above that share of the largest. Features have
to be computed as here: `run.features(WINDOW)` gives those of the window to compare yours with.

```python
import json
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("F.onnx")
texts = session.get_modelmeta().custom_metadata_map
x = seen[json.loads(texts["features"])].to_numpy(dtype=np.float64)
offset = seen["symbol"].map(json.loads(texts["offsets"])).to_numpy(dtype=np.float64)
(probability,) = session.run(["probability"], {"features": x, "offset": offset})
```"""


def models_page() -> str:
    """docs/models.md: every kind of model, its roles, its extra and its parameters."""
    lines = [
        "# Models",
        "",
        "Written by `python docs/generate.py` from the table of kinds (`schemas/config/model_kinds.py`). `--teacher`",
        "and `--student` choose one. Every kind learns what the features add to the logit of a base rate, or by least",
        "squares to the historical mean where labels are values ([method.md](method.md#values)), and a factor",
        "shrinks what a student or its teacher adds ([method.md](method.md#shrinkage)). On one thread, with one seed,",
        "every kind gives the same file at each fit; versions of the libraries that it needs are in the key of its",
        "artifacts. A missing extra is named before a run opens, with the command that installs it; a device of a",
        "fleet that lacks it gets no work of the run. CONTRIBUTING.md shows how to add a kind.",
        "",
        "Tests and controls of `perceptron` are skipped where PyTorch is not installed, as in `make test`. On 30",
        "November 2026 all of them were executed with PyTorch 2.13.0 on a CPU, classes and values; a run of values on",
        "six symbols was trained, replayed to the bit, deployed, and predicted by a process without PyTorch.",
        "",
        "Parameters are set by `--set teacher.max_depth=4 --set student.ridge=50`, in a file by",
        '`set = ["teacher.max_depth=4"]` or a table `[set.teacher]` with `max_depth = 4`. An unknown name, a wrong',
        "type and a value out of range are errors before a run opens. What differs from the defaults is in `run.json`,",
        "in every artifact and its key, and in `orchestrator explain`.",
        "",
        "| kind | what it is | teacher | student | predicts | extra |",
        "|---|---|:-:|:-:|---|---|",
    ]
    for kind in KINDS.values():
        roles = " | ".join("yes" if kind.parameters(role) else "" for role in ROLES)
        predicts = ", ".join({CLASS: "classes", VALUE: "values"}[each] for each in kind.targets)
        extra = f"`[{kind.extra}]`" if kind.extra else ""
        lines.append(f"| `{kind.name}` | {kind.meaning} | {roles} | {predicts} | {extra} |")
    for kind in KINDS.values():
        for role in ROLES:
            if (parameters := kind.parameters(role)) is not None and parameters.model_fields:
                lines += ["", f"## `{kind.name}` as a {role}", "", "| parameter | default | meaning |", "|---|--:|---|"]
                fields = parameters.model_fields.items()
                lines += [f"| `{role}.{name}` | {each.default:g} | {each.description} |" for name, each in fields]
    return "\n".join([*lines, "", ONNX_SECTION]) + "\n"


def constraints(python: str) -> str:
    """Pins, for one Python version such as 3.12, of the libraries that decide an artifact's bytes."""
    lock = [Requirement(line) for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()]
    # Pins differ by Python version; markers on a platform stay in the file, for pip to evaluate.
    here = {"python_version": python, "python_full_version": f"{python}.99", "sys_platform": "linux"}
    decides = (*LIBRARIES, *XGBOOST_NAMES, *OPTIONAL_LIBRARIES, *SIDE_LIBRARIES)
    pins = [each for each in lock if each.name in decides and (each.marker is None or each.marker.evaluate(here))]
    return "".join(f"{each.name}{each.specifier}\n" for each in pins)


def settings_page() -> str:
    """One row per field: flag, TOML key, default, meaning."""
    shared, run = BarsConfig.model_fields, RunConfig.model_fields
    lines = [
        "# Settings",
        "",
        "Written by `python docs/generate.py`. A flag overrides the environment; the environment overrides the TOML"
        f" file (`--config`). The environment variable is `{ENV_PREFIX}` and the TOML key in capitals, such as"
        f" `{ENV_PREFIX}DATA_DIR`. One file may serve all commands.",
        "",
        *_table("`ingest`, `plan` and `run`", shared),
        *_table("`plan` and `run`", {name: f for name, f in RunConfig.model_fields.items() if name not in shared}),
        *_gates(),
        *_table("`ingest`", {name: f for name, f in IngestConfig.model_fields.items() if name not in shared}),
        *_table("`tune`, beside those of `run`", {n: f for n, f in TuneConfig.model_fields.items() if n not in run}),
        *_table("`approve`, `reject`, `deploy`, `rollback`, `releases` and `predict`", ReleaseConfig.model_fields),
    ]
    return "\n".join(lines[:-1]) + "\n"


def _gates() -> list[str]:
    lines = [
        "## Gates and costs of `plan` and `run`, only in a file", "",
        "Bounds of the tests that a promotion must pass are keys of the table `[gates]`; a schedule of costs, for",
        "`--costs config`, is one table `[[cost_rates]]` for each day from which other rates hold:", "",
        "```toml",
        'costs = "config"', "", "[gates]", "permutation_p = 0.005", "", "[[cost_rates]]", "since = 2024-10-01",
        "tax_sell_bps = 2.5", "exchange_bps = 0.3", "```", "",
    ]  # fmt: skip
    for title, kind in (("gates", GateSettings), ("cost_rates", CostRates)):
        lines += [f"| `{title}` | default | meaning |", "|---|---|---|"]
        for name, field in kind.model_fields.items():
            default = "" if field.default in (None, PydanticUndefined) else f"`{field.default}`"
            lines.append(f"| `{name}` | {default} | {field.description} |")
        lines.append("")
    return lines


def _table(title: str, fields: dict[str, FieldInfo]) -> list[str]:
    lines = [f"## {title}", "", "| flag | TOML key | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        if name in TABLES + FILLED_IN:
            continue
        default = "" if field.default in (None, (), PydanticUndefined) else f"`{field.default}`"
        flag = SWITCHES.get(name, flag_of(name)).replace("/", "` `")
        lines.append(f"| `{flag}` | `{name}` | {default} | {field.description} |")
    return [*lines, ""]


if __name__ == "__main__":
    SETTINGS.write_text(settings_page(), encoding="utf-8")
    EVENT_SCHEMA.write_text(event_schema(), encoding="utf-8")
    TELEMETRY.write_text(telemetry_page(), encoding="utf-8")
    GLOSSARY.write_text(glossary_page(), encoding="utf-8")
    FEATURES_PAGE.write_text(features_page(), encoding="utf-8")
    MODELS_PAGE.write_text(models_page(), encoding="utf-8")
    for python in PYTHONS:
        (CONSTRAINTS / f"python{python}.txt").write_text(constraints(python), encoding="utf-8")
