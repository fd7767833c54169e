"""Validation of a stored run: what it computes, from which files, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

from schemas.contract.errors import DataError, PhaseError
from schemas.contract.judgement import Scores
from schemas.contract.task import Role
from schemas.files.atomic import sha256_of
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.run_files import read_manifest, read_rows, write_rows
from tests.workers.judging.runs import stored_run
from workers.judging.predictions import load_rows
from workers.judging.validation import ScoringInputs, bars_of, strategies, terms_of, validate


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """A run with some signal."""
    return stored_run(tmp_path_factory.mktemp("run"), signal=0.3, days=320)


def test_scores_are_of_all_rows_together(layout: RunLayout) -> None:
    """Log loss, skill and AUC equal scikit-learn's on the pooled rows."""
    found = validate(layout)
    p = load_rows(layout, found.sha256["validation/rows.parquet"])
    student = found.scores["student"]
    assert isinstance(student, Scores)
    assert student.log_loss == pytest.approx(metrics.log_loss(p.y, p.student))
    assert student.skill == pytest.approx(1 - student.log_loss / metrics.log_loss(p.y, p.prior))
    assert student.auc == pytest.approx(metrics.roc_auc_score(p.y, p.student))
    assert (found.rows, found.windows) == (len(p), 8)
    assert found.scores["prior"].skill == 0.0


def test_parts_add_up(layout: RunLayout) -> None:
    """Rows, positives and trades of symbols, years and windows each add up to the whole."""
    found = validate(layout)
    p = load_rows(layout, found.sha256["validation/rows.parquet"])
    held = int((p.student > p.trade_above).sum())
    for parts in (found.per_symbol, found.per_year, found.per_window):
        for key, whole in (("rows", len(p)), ("positives", int(p.y.sum())), ("trades", held)):
            assert sum(int(row[key] or 0) for row in parts.values()) == whole
        for row in parts.values():
            low, mean, high = (row[key] for key in ("gross_low", "gross_bps_a_trade", "gross_high"))
            assert low is None or float(low) < float(mean or 0.0) < float(high or 0.0)
    assert found.trading["student"].trades == held
    assert found.trading["always long"].trades == len(p)


def test_daily_returns_are_stored_as_they_are_summed(layout: RunLayout) -> None:
    """The file of daily returns has each strategy's mean, and its digest is in the verdict."""
    found = validate(layout)
    table = pq.read_table(layout.daily_returns)
    for name, trading in found.trading.items():
        assert np.mean(table[name]) * 1e4 == pytest.approx(trading.net_bps_a_day)
    assert found.sha256["validation/daily.parquet"] == sha256_of(layout.daily_returns)


def test_alpha_and_beta_are_beside_always_long(layout: RunLayout) -> None:
    """Intercept and slope of the stored daily returns on always long's, by least squares; always long has neither."""
    found = validate(layout)
    stored = pq.read_table(layout.daily_returns)
    table = {name: np.asarray(stored[name]) for name in found.trading}
    market = table["always long"]
    for name in ("student", "momentum", "reversal"):
        slope, intercept = np.polyfit(market, table[name], 1)
        each = found.trading[name]
        assert (each.beta, each.alpha_bps_a_day) == (pytest.approx(slope), pytest.approx(intercept * 1e4))
        assert each.alpha_low is not None and each.alpha_low < intercept * 1e4 < (each.alpha_high or 0.0)
        left = table[name] - intercept - slope * market
        assert each.information_ratio == pytest.approx(intercept / left.std(ddof=2) * 252**0.5)
    assert found.trading["always long"].alpha_bps_a_day is None


def test_rules_decide_by_past_closes(layout: RunLayout) -> None:
    """Momentum holds what rose over 20 bars, reversal what fell over 5, the base rate what its own share pays for."""
    found = validate(layout)
    p = load_rows(layout, found.sha256["validation/rows.parquet"])
    manifest = read_manifest(layout)
    bars = bars_of(layout, manifest, p)[0]
    decided = strategies(ScoringInputs(p, bars, manifest.config.training(), terms_of(manifest.config)))
    for row in (0, 77, len(p) - 1):
        series = bars[p.symbol[row]]
        bar = int(np.flatnonzero(series.timestamp == p.timestamp[row])[0])
        assert decided["momentum"].weight[row] == (series.close[bar] > series.close[bar - 20])
        assert decided["reversal"].weight[row] == (series.close[bar] < series.close[bar - 5])
        assert decided["momentum"].end[row] == series.timestamp[bar + manifest.config.horizon]
        assert decided["student"].end[row] == p.label_end[row]
    assert decided["prior"].weight.tolist() == (p.prior > p.trade_above).tolist()


def test_with_rank_labels_every_strategy_is_long_short(tmp_path: Path) -> None:
    """All but always long add up to 0 at each instant: students by probability, momentum by the rise of 20 bars."""
    layout = stored_run(tmp_path, signal=0.3, days=200, symbols=6, label="rank", threshold_unit="sigma")
    found = validate(layout)
    p = load_rows(layout, found.sha256["validation/rows.parquet"])
    manifest = read_manifest(layout)
    bars = bars_of(layout, manifest, p)[0]
    decided = strategies(ScoringInputs(p, bars, manifest.config.training(), terms_of(manifest.config)))
    now = p.timestamp == p.timestamp[40]
    for name in ("student", "alone", "teacher", "momentum", "reversal"):
        weight = decided[name].weight[now]
        assert (weight.sum(), np.abs(weight).sum()) == (pytest.approx(0.0, abs=1e-9), pytest.approx(6.0)), name
    assert np.argsort(decided["student"].weight[now]).tolist() == np.argsort(p.student[now]).tolist()
    rise = []
    for symbol in p.symbol[now]:
        bar = int(np.flatnonzero(bars[symbol].timestamp == p.timestamp[40])[0])
        rise.append(bars[symbol].close[bar] / bars[symbol].close[bar - 20])
    assert np.argsort(decided["momentum"].weight[now]).tolist() == np.argsort(rise).tolist()
    assert not decided["prior"].weight.any()  # one base rate for all: nothing to rank
    flat = replace(p, student=np.where(p.symbol == "S0", p.prior, p.student))
    decided_flat = strategies(ScoringInputs(flat, bars, manifest.config.training(), terms_of(manifest.config)))
    weight = decided_flat["student"].weight
    assert not weight[p.symbol == "S0"].any() and np.abs(weight[now]).sum() == pytest.approx(6.0)
    idle = replace(p, trade_above=np.full(len(p), np.inf))  # students that make no trade
    decided_idle = strategies(ScoringInputs(idle, bars, manifest.config.training(), terms_of(manifest.config)))
    assert not decided_idle["student"].weight.any() and decided_idle["momentum"].weight.any()
    assert (decided["always long"].weight == 1.0).all()
    student = found.trading["student"]
    assert student.exposure == pytest.approx(1.0, abs=0.1)
    assert student.beta is not None and abs(student.beta) < 0.2
    assert student.net_bps_a_day > 0.0
    assert found.per_symbol["S0"]["trades"] == int((decided["student"].weight != 0)[p.symbol == "S0"].sum())
    assert float(found.per_symbol["S0"]["gross_bps_a_trade"] or 0.0) > 0.0


def test_every_input_is_named(layout: RunLayout) -> None:
    """Each student's predictions and each symbol's bars are listed with their digest."""
    found = validate(layout)
    data = layout.folder.parent.parent
    for name, digest in found.inputs.items():
        path = data / name.removeprefix("data/") if name.startswith("data/") else layout.folder / name
        assert sha256_of(path) == digest
    assert len(found.inputs) == 8 + 4


def test_a_privileged_teacher_does_not_trade(tmp_path: Path) -> None:
    """A privileged teacher is scored, but its trades are not a result that could have been earned."""
    run = stored_run(tmp_path, days=320, scope="panel", privileged="cross-section")
    found = validate(run)
    assert "teacher" in found.scores and "teacher" not in found.trading


def test_changed_files_are_refused(tmp_path: Path) -> None:
    """Predictions whose metadata is not the recorded one, and bars that were replaced, are errors."""
    run = stored_run(tmp_path, days=320)
    bars = BarsLayout.under(tmp_path, "1day").bars("S1")
    content = bars.read_bytes()
    bars.write_bytes(content + b" ")
    with pytest.raises(DataError, match="has changed since the run began"):
        validate(run)
    bars.write_bytes(content)
    folder = next((run.folder / "windows").glob("S0_*/student"))
    predictions = (folder / "predictions.parquet").read_bytes()
    (folder / "predictions.parquet").write_bytes(predictions[:-9])
    with pytest.raises(DataError, match=r"predictions.parquet is not what was recorded; resume the run"):
        validate(run)
    (folder / "predictions.parquet").write_bytes(predictions)
    (folder / "metadata.json").write_text("{}")
    with pytest.raises(PhaseError, match="is missing or not what"):
        validate(run)


def test_a_bar_scored_twice_is_refused(tmp_path: Path) -> None:
    """Scored blocks tile time: two windows that score one bar of a symbol are an error."""
    run = stored_run(tmp_path, days=320)
    first, second = sorted((run.folder / "windows").glob("S0_*/student"))
    for name in ("predictions.parquet", "metadata.json"):
        (second / name).write_bytes((first / name).read_bytes())
    rows = read_rows(run, Role.STUDENT)
    digests = {row.window_label: row.metadata_sha256 for row in rows}
    copied = {second.parent.name: digests[first.parent.name]}
    renewed = [
        row.model_copy(update={"metadata_sha256": copied.get(row.window_label, row.metadata_sha256)}) for row in rows
    ]
    write_rows(run, Role.STUDENT, renewed)
    with pytest.raises(PhaseError, match="is scored by two windows"):
        validate(run)
