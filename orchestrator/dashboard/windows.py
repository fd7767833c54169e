"""Details of one window: scores, attempts, files, commands, and its lines in the logs."""

import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from orchestrator.audit.wording import MODELS, VALUE_MODELS
from orchestrator.dashboard.progress import word_of
from orchestrator.dashboard.settings import Settings
from orchestrator.events.run_state import Cell as WindowCell
from orchestrator.events.run_state import Stage
from schemas.config.target import LOSSES, VALUE
from schemas.contract.command_line import command_line
from schemas.contract.numbers import shown
from schemas.contract.task import Role
from schemas.files.layout import RunLayout, log_path
from schemas.files.run_files import read_manifest

SHOWN_LINES = 40
TAIL_BYTES = 4 * 2**20
# Names of losses of another model than the one that they are stored with.
OF_MODEL = re.compile(rf"(scored_|tail_|)({'|'.join(MODELS)})_({'|'.join(each.key for each in LOSSES.values())})")


def facts(cell: WindowCell) -> list[tuple[str, ...]]:
    """What is known of teacher and student: names in words, and the value of each, empty if it has none."""
    found: list[dict[str, object]] = [
        {
            "status": word_of(each.status), "device": each.device, "attempt": each.attempt,
            "seconds": each.duration_s, **each.metrics,
        }
        for each in cell.pieces.values()
    ]  # fmt: skip
    names = dict.fromkeys(name for each in found for name in each)
    rows = [(_in_words(name), *(_written(each.get(name)) for each in found)) for name in names]
    return [row for row in rows if any(row[1:])]


def messages(cell: WindowCell) -> list[str]:
    """Why a teacher or a student was skipped, was retried or failed."""
    return [f"{role.value}: {piece.message}" for role, piece in cell.pieces.items() if piece.message]


def _in_words(name: str) -> str:
    if of_model := OF_MODEL.fullmatch(name):
        part, model, loss = of_model.groups()
        models = VALUE_MODELS if loss == LOSSES[VALUE].key else MODELS
        name = f"{part}{loss}, {models[model]}"
    return name.replace("_a_", " per ").replace("_", " ")


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return shown(value) if isinstance(value, float) else str(value or "")


def commands(layout: RunLayout, cell: WindowCell) -> list[tuple[str, str]]:
    """What can be done with a trained window in a terminal: a purpose and its command; of others both refuse."""
    if cell.stage is not Stage.TRAINED:
        return []
    purposes = {"train it again and compare": "replay", "its rows, splits, models and scores": "explain"}
    return [
        (purpose, command_line(command, layout.folder.name, cell.label, data_dir=layout.data_dir))
        for purpose, command in purposes.items()
    ]


def artifacts(layout: RunLayout, label: str) -> list[Path]:
    """Folders of the window's models that are stored here."""
    folders = [layout.artifact(label, role) for role in (Role.TEACHER, Role.STUDENT)]
    return [folder for folder in folders if folder.is_dir()]


def log_files(
    here: Settings, layout: RunLayout | None, run_id: str, devices: Iterable[str]
) -> tuple[list[Path], list[Path]]:
    """Logs that may hold lines of a run, its own first: those that exist, and its own if it does not.

    Without a layout, of a run that only the broker knows, its log is looked for in the given folders alone.
    """
    folders = [Path(each) for each in here.log_dirs]
    names = [f"{run_id}.log", *(f"{device}.log" for device in devices)]
    if layout is not None:
        own = log_path(read_manifest(layout).config, run_id)
        folders, names[0] = [own.parent, *folders], own.name
    paths = list(dict.fromkeys(folder / name for folder in folders for name in names))
    return [path for path in paths if path.is_file()], [path for path in paths[:1] if not path.is_file()]


def log_lines(paths: list[Path], words: list[str], most: int) -> list[str]:
    """The newest lines, in order of the logs, that hold every word; of each log its last 4 MiB are read."""
    found: deque[str] = deque(maxlen=most)
    wanted = [word.encode() for word in words if word]
    for path in paths:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - TAIL_BYTES, 0))
            about = (line for line in file if all(word in line for word in wanted))
            found.extend(line.decode(errors="replace").rstrip() for line in about)
    return list(found)
