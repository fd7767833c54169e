"""Compares what an audit bundle states with the numbers that it holds.

A manifest without a signature can be written again, which hides an edit from its digests. An edit of one text, of
`metrics.json` or of the numbers alone is found all the same, because the other files still hold what it changed.
"""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.audit.conclusion import conclude
from orchestrator.ledger.export import planned_of
from schemas.contract.artifact import RunManifest
from schemas.contract.base import Frozen
from schemas.contract.conclusion import Conclusion, Earned, Figure
from schemas.contract.errors import FileError
from schemas.contract.judgement import Gate, Recommendation, Statistics, Validation
from schemas.contract.task import WINDOW_ROLES
from schemas.contract.trials import TrialCount
from schemas.files.atomic import sha256_of
from schemas.files.bounded import LARGEST_FILE_BYTES, read_bounded
from schemas.files.run_files import read_model, read_run_rows

TEXTS = ("report.html", "promotion_briefing.md", "summary.md")
METRICS = "metrics.json"
RESULTS = "validation_results"
REMEDY = "ask the sender for the bundle again"


class Metrics(Frozen):
    """`metrics.json`, as far as it is compared."""

    run_id: str
    recommendation: Recommendation
    conclusion: Conclusion
    validation: dict[str, Any]
    gates: tuple[Gate, ...]
    sources: dict[str, str]


def read_metrics(folder: Path) -> Metrics:
    """What a bundle states for programs; FileError if `metrics.json` is missing or damaged."""
    return read_model(folder / METRICS, Metrics, remedy=REMEDY)


def contradictions(folder: Path) -> tuple[str, ...]:
    """A sentence for each file of a bundle that does not state what another one holds."""
    found: list[str] = []
    try:
        for sentence in _contradictions(folder, read_metrics(folder)):
            found.append(sentence)
    except FileError as error:
        found.append(str(error))
    return tuple(found)


def _contradictions(folder: Path, metrics: Metrics) -> Iterator[str]:
    results, stated = folder / RESULTS, folder / METRICS
    manifest = read_model(folder / "configs" / "run.json", RunManifest, remedy=REMEDY)
    statistics = read_model(results / "statistics.json", Statistics, remedy=REMEDY)
    validation = read_model(results / "validation.json", Validation, remedy=REMEDY)
    trials = read_model(results / "trials.json", TrialCount, remedy=REMEDY)
    for name, digest in metrics.sources.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            yield f"{folder / name} is not what {stated} was computed from"
    scored: dict[str, Any] = validation.model_dump(mode="json")
    for name in (name for name, value in metrics.validation.items() if scored.get(name) != value):
        yield f"{stated}: validation.{name} is not that of {RESULTS}/validation.json"
    kept = {gate.name: gate for gate in statistics.gates}
    if lacking := kept.keys() - {gate.name for gate in metrics.gates}:
        yield f"{stated}: it lacks gates of {RESULTS}/statistics.json: {', '.join(sorted(lacking))}"
    for gate in (gate for gate in metrics.gates if kept.get(gate.name) != gate):
        yield f"{stated}: gate {gate.name} is not that of {RESULTS}/statistics.json"
    try:
        found = conclude(manifest, statistics, validation, trials)
    except (LookupError, ArithmeticError, ValueError, TypeError) as error:
        raise FileError(f"{results}: no run has such numbers ({type(error).__name__}: {error}); {REMEDY}") from None
    if {metrics.recommendation, metrics.conclusion.recommendation} != {found.recommendation}:
        yield f"{stated}: it states {metrics.recommendation}; the tests of the bundle give {found.recommendation}"
    own, given = _figured(found), _figured(metrics.conclusion)
    if len(own) != len(given):
        yield f"{stated}: it has {len(given)} figures; the numbers of the bundle give {len(own)}"
    for ours, theirs in zip(own, given, strict=False):
        if _figures(ours) != _figures(theirs):
            yield f"{stated}: {theirs.name} is {_shown(theirs)}; the numbers of the bundle give {_shown(ours)}"
    for role in WINDOW_ROLES:
        path = results / f"{role}_runs.json"
        rows = {row.window_label for row in read_run_rows(path, remedy=REMEDY)}
        planned = {each.window.label for each in planned_of(manifest, role)}
        if unlisted := sorted(planned - rows):
            more = f" and {len(unlisted) - 1} more" if unlisted[1:] else ""
            yield f"{path} has no row of {unlisted[0]}{more}, which configs/run.json plans"
    for name in TEXTS:
        yield from _unlike(folder / name, metrics.conclusion)


def _figured(conclusion: Conclusion) -> list[Earned | Figure]:
    return [*conclusion.earned, *conclusion.sureness]


def _figures(each: Earned | Figure) -> tuple[object, ...]:
    """The numbers of a row or a figure, without words that another version may put otherwise."""
    if isinstance(each, Figure):
        return each.text, each.interval
    return each.growth, each.a_year, each.worst_fall, each.sharpe


def _shown(each: Earned | Figure) -> str:
    return ", ".join(map(str, _figures(each)))


def _unlike(path: Path, conclusion: Conclusion) -> Iterator[str]:
    """A sentence for the first phrase of the conclusion that a text does not have."""
    if not path.is_file():
        yield f"{path} is missing"
        return
    words = _words(path)
    verdict = f"{conclusion.recommendation}{' ' if path.suffix == '.html' else '. '}{conclusion.sentence}"
    for phrase in (verdict, *_phrases(conclusion)):
        if " ".join(phrase.split()) not in words:
            yield f'{path} lacks what {METRICS} states: "{phrase}"'
            return


def _phrases(conclusion: Conclusion) -> Iterator[str]:
    yield from (conclusion.span, conclusion.advice)
    for row in conclusion.earned:
        yield " ".join((row.name, row.growth, row.a_year, row.worst_fall, row.sharpe))
    for figure in conclusion.sureness:
        yield from (figure.text, figure.interval, figure.meaning)
    yield from conclusion.alerts + conclusion.changes + conclusion.warnings + conclusion.basis


def _words(path: Path) -> str:
    """The words of a page or a Markdown file, without marks. FileError if it is larger than a file of a run."""
    text = read_bounded(path, LARGEST_FILE_BYTES).decode(errors="replace")
    if path.suffix == ".html":
        text = html.unescape("".join(_shown_texts(text)))
    return " ".join(text.replace("*", "").replace("|", " ").split())


def _shown_texts(page: str) -> Iterator[str]:
    """What stands between the tags of a page, without scripts and styles; its time is that of the page's length."""
    before, *pieces = page.split("<")
    yield before
    hidden = ""
    for piece in pieces:
        tag, _, text = piece.partition(">")
        name = tag.partition(" ")[0]
        if hidden and name != f"/{hidden}":
            continue
        hidden = name if name in ("script", "style") else ""
        if not hidden:
            yield " " if name in ("/td", "/th") else ""
            yield text
