"""`predict` scores the newest bar of each symbol, and names the symbols that cannot be scored."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from orchestrator.audit.signed_manifest import seal
from schemas.config.features import CROSS_SECTION_FEATURES
from schemas.contract.release import GoldenCheck, PredictRequest
from schemas.files.atomic import sha256_of
from schemas.files.layout import ReleaseLayout
from tests.conftest import Completed, command, orchestrator, write_bars
from tests.orchestrator.releases.making import (
    DAY_OF_LAST,
    LAST_DAY,
    inputs_of,
    make_release,
    predicted,
    prediction_of,
    store_bars,
    student,
    switch,
    walk,
)
from tests.strategies import recipe
from workers.bars.series import Floats
from workers.features.cross_section import cross_section_names
from workers.features.registry import feature_names
from workers.judging.long_short import long_short
from workers.judging.predictions import Predictions
from workers.models.booster import Booster
from workers.serving import prediction
from workers.serving.golden import check
from workers.serving.weights import Scored, long_short_weights

SYMBOLS = ("M&M", "^GSPC", "TCS", "OLD", "NEW")
HISTORIES = {
    "M&M": walk(1, 700),
    "^GSPC": walk(2, 431),
    "TCS": walk(3, 700),
    "OLD": walk(4, 700, DAY_OF_LAST - 6),
    "NEW": walk(5, 150),
}
AS_OF = LAST_DAY.isoformat()


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """A folder in which a release of five symbols is live in staging, their bars stored."""
    for symbol, series in HISTORIES.items():
        store_bars(tmp_path / "data", symbol, series)
    make_release(tmp_path / "release", HISTORIES)
    return tmp_path


def predict(cwd: Path, *arguments: str, program: Callable[..., Completed] = command) -> tuple[int, dict[str, Any]]:
    """`orchestrator predict --env staging --json ...`: returns the exit code and the printed object."""
    result = program("predict", "--env", "staging", "--json", *arguments, cwd=cwd)
    assert result.stdout, result.stderr
    return result.returncode, json.loads(result.stdout)


def test_the_newest_bar_is_scored_and_named(cwd: Path) -> None:
    """A symbol's prediction is its student's for the last bar, with features computed as in training.

    Here the two programs run as processes of their own, as for users; the other tests run both in this process.
    """
    code, found = predict(cwd, "--symbols", "M&M,^GSPC,TCS", "--as-of", AS_OF, program=orchestrator)
    assert code == 0 and found["refused"] == []
    for place, (symbol, each) in enumerate(zip(SYMBOLS, found["predictions"], strict=False)):
        expected = prediction_of(student(place), HISTORIES[symbol])
        assert each["symbol"] == symbol and each["session"] == AS_OF and each["release_id"] == "run.0000"
        assert each["probability"] == pytest.approx(expected, abs=1e-15)
        assert each["trade"] == (expected > 0.5) and each["trade_above"] == 0.5


def test_as_of_uses_bars_up_to_that_day_alone(cwd: Path) -> None:
    """A prediction as of an earlier day is the one that was made on it; a day of the student's window is marked."""
    _, earlier = predict(cwd, "--symbols", "M&M", "--as-of", "2024-07-01")
    bars = HISTORIES["M&M"].upto(len(HISTORIES["M&M"]) - (LAST_DAY - date(2024, 7, 1)).days)
    assert earlier["predictions"][0]["probability"] == pytest.approx(prediction_of(student(0), bars), abs=1e-15)
    assert not earlier["predictions"][0]["in_sample"]
    _, within = predict(cwd, "--symbols", "M&M", "--as-of", "2024-05-31")
    assert within["predictions"][0]["in_sample"]


def test_what_cannot_be_scored_is_refused_by_name_and_the_rest_is_not(cwd: Path) -> None:
    """Stale, too few or no bars, or no student: such symbols are refused, one line per reason; others are scored."""
    (cwd / "data/bars/1day/TCS.parquet").unlink()
    result = command("predict", "--env", "staging", "--as-of", AS_OF, "--symbols", "M&M,TCS,OLD,NEW,X,Y", cwd=cwd)
    assert result.returncode == 3
    refused = [line for line in result.stdout.splitlines() if line.startswith("refused: ")]
    for line, words in zip(
        sorted(refused),
        [
            "NEW: too short: it has 150 bars",
            "OLD: stale: its newest bar is of 2024-12-25, 6 days before 2024-12-31; 5 are allowed (--max-age-days),"
            " or give an earlier --as-of",
            "TCS: ",
            "X, Y: release run.0000 has no student for it",
        ],
        strict=True,
    ):
        assert words in line
    assert "M&M" in result.stdout and "1 scored, 5 refused" in result.stdout


def test_the_age_allowed_is_settable_and_counts_from_today(cwd: Path) -> None:
    """`--max-age-days` moves the bound; without `--as-of` bars of 2024 are stale today."""
    assert predict(cwd, "--symbols", "OLD", "--as-of", AS_OF, "--max-age-days", "6")[0] == 0
    code, found = predict(cwd, "--symbols", "M&M")
    assert code == 3 and "stale" in found["refused"][0]["reason"]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_every_format_holds_the_same(cwd: Path, suffix: str) -> None:
    """`--out` writes the predictions to the last digit; an unknown format is refused before anything is computed."""
    path = cwd / f"scores{suffix}"
    _, found = predict(cwd, "--as-of", AS_OF, "--out", path.name)
    rows: Sequence[dict[str, Any]]
    if suffix == ".csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
    else:
        rows = json.loads(path.read_text()) if suffix == ".json" else pq.read_table(path).to_pylist()
    assert [row["symbol"] for row in rows] == ["M&M", "^GSPC", "TCS"]
    assert [float(row["probability"]) for row in rows] == [each["probability"] for each in found["predictions"]]
    assert command("predict", "--env", "staging", "--out", "x.xls", cwd=cwd).returncode == 2


def test_bars_straight_from_a_source(cwd: Path) -> None:
    """`--source csv:DIR` needs no stored bar, refuses a symbol whose file is bad, and names it."""
    write_bars(cwd / "csv", ("M&M", "^GSPC"))
    path = cwd / "csv" / "^GSPC" / "1day" / "bars.csv"
    path.write_text(path.read_text() + "nonsense,1,2,3,4,5\n")
    code, found = predict(cwd, "--source", "csv:csv", "--as-of", AS_OF, "--symbols", "M&M,^GSPC,TCS")
    assert code == 3
    assert [each["symbol"] for each in found["predictions"]] == ["M&M"]
    reasons = {each["symbol"]: each["reason"] for each in found["refused"]}
    assert "line" in reasons["^GSPC"] and "has no bars of it" in reasons["TCS"]


def test_a_source_is_read_with_the_file_options_of_the_run(tmp_path: Path) -> None:
    """The release keeps them, so files that needed --columns in training need no flag when they are predicted from."""
    make_release(tmp_path / "release", {"M&M": HISTORIES["M&M"]}, columns={"close": "Schluss"})
    write_bars(tmp_path / "csv", ("M&M",))
    path = tmp_path / "csv" / "M&M" / "1day" / "bars.csv"
    path.write_text(path.read_text().replace("close", "Schluss"))
    code, found = predict(tmp_path, "--source", "csv:csv", "--as-of", AS_OF)
    assert code == 0 and [each["symbol"] for each in found["predictions"]] == ["M&M"]


def test_no_learning_library_is_loaded(cwd: Path) -> None:
    """The process that predicts with logistic students loads numpy and pyarrow, and no library of training."""
    request = PredictRequest(
        release_dir=str(cwd / "release"), data_dir=str(cwd / "data"), environment="staging", as_of=LAST_DAY,
        out=str(cwd / "scores.parquet"),
    )  # fmt: skip
    code = """
import sys
from workers import cli
try:
    cli.cli(["predict"])
finally:
    heavy = {"xgboost", "sklearn", "scipy", "pandas", "statsmodels", "matplotlib"}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], input=request.model_dump_json(), capture_output=True, text=True
    )
    assert len(json.loads(result.stdout)["predictions"]) == 3
    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize("name", ["release.json", "students/M&M/model.json"])
def test_a_changed_release_does_not_predict(cwd: Path, name: str) -> None:
    """A changed release predicts nothing; a changed student predicts nothing for its symbol."""
    path = ReleaseLayout(cwd / "release").current("staging") / name
    path.write_bytes(path.read_bytes() + b"\n")
    result = command("predict", "--env", "staging", "--as-of", AS_OF, "--symbols", "M&M", cwd=cwd)
    assert result.returncode == (2 if name == "release.json" else 3)
    assert "is not what" in " ".join((result.stdout + result.stderr).split())


def test_other_features_are_noticed(cwd: Path) -> None:
    """A release whose probe this program's features do not reproduce is refused completely."""
    folder = ReleaseLayout(cwd / "release").release("run.0000")
    release = json.loads((folder / "release.json").read_text())
    release["probe"][3] += 1e-6
    (folder / "release.json").write_text(json.dumps(release))
    seal(folder, {"release_id": "run.0000"}, None)
    switch(ReleaseLayout(cwd / "release"), "staging", "run.0000")
    result = command("predict", "--env", "staging", "--as-of", AS_OF, cwd=cwd)
    assert result.returncode == 2 and "other features" in result.stderr


def test_models_of_a_release_from_elsewhere_refuse_their_symbol_alone(cwd: Path) -> None:
    """Digests that are right do not make a model one: each damaged one is refused by name, the others predict."""
    layout = ReleaseLayout(cwd / "release")
    folder = layout.release("run.0000")
    rows = np.random.default_rng(0).normal(size=(80, len(feature_names())))
    booster = Booster.fit(rows, np.full(80, 0.4), np.ones(80), np.zeros(80), recipe("booster")).encode(feature_names())
    short = student(1).model_copy(update={"coefficients": (0.5,)}).model_dump_json().encode()
    replaced = {"TCS": ("model.ubj", booster), "M&M": ("model.ubj", booster[:-400]), "^GSPC": ("model.json", short)}
    release = json.loads((folder / "release.json").read_text())
    for symbol, (name, content) in replaced.items():
        (folder / "students" / symbol / "model.json").unlink()
        (folder / "students" / symbol / name).write_bytes(content)
        served = sha256_of(folder / "students" / symbol / "serving.json")
        release["students"][symbol]["sha256"] = {name: sha256(content).hexdigest(), "serving.json": served}
    (folder / "release.json").write_text(json.dumps(release))
    seal(folder, {"release_id": "run.0000"}, None)
    switch(layout, "staging", "run.0000")
    code, found = predict(cwd, "--as-of", AS_OF, "--symbols", "TCS,M&M,^GSPC")
    assert code == 3
    assert [each["symbol"] for each in found["predictions"]] == ["TCS"]
    reasons = {each["symbol"]: each["reason"] for each in found["refused"]}
    assert "M&M/model.ubj is damaged" in reasons["M&M"] and "one coefficient" in reasons["^GSPC"]
    checked = check(GoldenCheck(release=str(folder), data_dir=str(cwd / "data")))
    assert checked.error is not None and "model" in checked.error and "\n" not in checked.error


def test_a_release_of_a_later_version_names_it(cwd: Path) -> None:
    """One line: which version built it, and what to do."""
    layout = ReleaseLayout(cwd / "release")
    path = layout.release("run.0000") / "release.json"
    later = json.loads(path.read_text()) | {"field_of_a_later_version": 1, "versions": {"gurukul": "9.0.0+ab12cd34"}}
    path.write_text(json.dumps(later))
    seal(path.parent, {"release_id": "run.0000"}, None)
    request = PredictRequest(release_dir=str(layout.folder), data_dir=str(cwd / "data"), environment="staging")
    error = prediction.predict(request).error
    assert error is not None and "\n" not in error
    assert "was written by gurukul 9.0.0+ab12cd34" in error and "roll back, or deploy again" in error


def test_nothing_live_is_one_line(tmp_path: Path) -> None:
    """An environment without a release is reported in one line, with exit code 2."""
    result = command("predict", "--env", "production", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and "nothing is live in production" in result.stderr


def test_intraday_predictions_have_their_instant(tmp_path: Path) -> None:
    """A release of 5-minute bars scores the session's last bar so far, and yesterday's is the oldest allowed."""
    series = walk(7, 75 * 5 + 20, per_session=75)
    store_bars(tmp_path / "data", "TCS", series, "5minute")
    make_release(tmp_path / "release", {"TCS": series}, interval="5minute")
    _, found = predict(tmp_path, "--as-of", AS_OF)
    assert found["predictions"][0]["bar"].endswith("T00:19:00Z")
    assert found["predictions"][0]["probability"] == pytest.approx(prediction_of(student(0), series, True), abs=1e-15)
    assert predict(tmp_path, "--as-of", (LAST_DAY + timedelta(days=2)).isoformat())[0] == 3


def test_a_release_that_the_log_does_not_explain_does_not_predict(cwd: Path) -> None:
    """A link without a deployment in the log, and a completely rewritten release, are one line and exit code 2."""
    layout = ReleaseLayout(cwd / "release")
    make_release(layout.folder, {"TCS": walk(9, 400)}, "run.0001", live_in=())
    link = layout.current("staging")
    link.unlink()
    link.symlink_to("../releases/run.0001")
    asked = command("predict", "--env", "staging", "--as-of", AS_OF, cwd=cwd)
    assert (asked.returncode, asked.stderr.count("\n")) == (2, 1)
    assert "which is not in the log" in asked.stderr
    link.unlink()
    link.symlink_to("../releases/run.0000")
    make_release(layout.folder, HISTORIES, "run.0000", live_in=(), seed=5)
    asked = command("predict", "--env", "staging", "--as-of", AS_OF, cwd=cwd)
    assert (asked.returncode, asked.stderr.count("\n")) == (2, 1)
    assert "differs from the deployed one" in asked.stderr


PANEL = {f"P{number}": walk(number, 420) for number in range(8)} | {"LATE": walk(9, 120)}


def panel_release(folder: Path, panel: dict[str, Any] = PANEL) -> None:
    """A release whose students compare the symbols of `PANEL`, with the bars of `panel` stored."""
    for symbol, series in panel.items():
        store_bars(folder / "data", symbol, series)
    make_release(folder / "release", PANEL, feature_set=CROSS_SECTION_FEATURES)


def test_a_student_that_compares_symbols_reads_the_whole_panel(tmp_path: Path) -> None:
    """One symbol is asked for, and its features are its ranks among all; a symbol of too few bars does not count."""
    panel_release(tmp_path)
    code, found = predict(tmp_path, "--symbols", "P3", "--as-of", AS_OF)
    assert (code, found["refused"]) == (0, [])
    model = student(3, cross_section_names())
    expected = predicted(model, inputs_of(PANEL, "P3", PANEL["P3"], CROSS_SECTION_FEATURES))
    assert found["predictions"][0]["probability"] == pytest.approx(expected, abs=1e-12)
    checked = check(
        GoldenCheck(release=str(ReleaseLayout(tmp_path / "release").release("run.0000")), data_dir=str(tmp_path))
    )
    assert checked.error is None and checked.largest_difference <= 1e-12


def test_a_bar_that_few_of_the_panel_have_is_refused_by_name(tmp_path: Path) -> None:
    """Five of nine are needed here: with four up to date the newest bar is refused, that of the day before is not."""
    behind = {name: series.upto(419) if name in ("P4", "P5", "P6", "P7") else series for name, series in PANEL.items()}
    panel_release(tmp_path, behind)
    code, found = predict(tmp_path, "--symbols", "P0,P7,X", "--as-of", AS_OF)
    assert code == 3
    assert [each["symbol"] for each in found["predictions"]] == ["P7"]
    reasons = {each["symbol"]: each["reason"] for each in found["refused"]}
    assert "too few to compare it with: 4 of the 9 symbols of its panel have a bar of 2024-12-31" in reasons["P0"]
    assert "5 are needed; missing: P4, P5, P6 and 2 more" in reasons["P0"]
    assert "has no student for it" in reasons["X"]
    for name in ("P5", "P6"):
        (tmp_path / f"data/bars/1day/{name}.parquet").unlink()
    _, day_before = predict(tmp_path, "--symbols", "P0,P5", "--as-of", "2024-12-30")
    assert [each["symbol"] for each in day_before["predictions"]] == ["P0"]
    assert [each["symbol"] for each in day_before["refused"]] == ["P5"]


RANKED = {f"R{number}": walk(20 + number, 400) for number in range(7)}


def ranked_release(folder: Path, bars: dict[str, Any] = RANKED) -> None:
    """A release with rank labels of the symbols of `RANKED`, with `bars` stored."""
    for symbol, series in bars.items():
        store_bars(folder / "data", symbol, series)
    make_release(folder / "release", RANKED, label="rank")


def test_rank_labels_show_the_book_that_was_judged(tmp_path: Path) -> None:
    """Weights are those of the judged long-short book, over the horizon, also where one symbol alone is asked for."""
    ranked_release(tmp_path)
    code, found = predict(tmp_path, "--as-of", AS_OF)
    assert code == 0
    p = np.array([each["probability"] for each in found["predictions"]])
    weight = [each["weight"] for each in found["predictions"]]
    assert weight == pytest.approx(long_short(judged_rows(p), p) / (len(p) * 5), abs=1e-15)
    assert sum(weight) == pytest.approx(0.0) and np.abs(weight).sum() == pytest.approx(1 / 5)
    assert [each["trade"] for each in found["predictions"]] == [bool(each) for each in weight]
    _, alone = predict(tmp_path, "--symbols", "R3", "--as-of", AS_OF)
    assert alone["predictions"] == [found["predictions"][3]]
    shown = command("predict", "--env", "staging", "--as-of", AS_OF, "--symbols", "R3", cwd=tmp_path).stdout
    side = "long" if weight[3] > 0 else "short" if weight[3] < 0 else "none"
    assert f"\t{side}\t" in shown and "among the 7 symbols" in " ".join(shown.split())


def test_an_older_bar_is_not_ranked_and_too_few_hold_nothing(tmp_path: Path) -> None:
    """Two symbols a day behind are named and have no weight; of four up to date none holds anything."""
    behind = {name: series.upto(399) if name in ("R0", "R1") else series for name, series in RANKED.items()}
    ranked_release(tmp_path, behind)
    _, found = predict(tmp_path, "--as-of", AS_OF)
    weight = {each["symbol"]: each["weight"] for each in found["predictions"]}
    assert weight["R0"] is None and weight["R1"] is None and not found["predictions"][0]["trade"]
    assert sum(abs(weight[name]) for name in ("R2", "R3", "R4", "R5", "R6")) == pytest.approx(1 / 5)
    shown = command("predict", "--env", "staging", "--as-of", AS_OF, cwd=tmp_path).stdout
    assert "because their newest bar is older: R0, R1" in " ".join(shown.split())
    (tmp_path / "data/bars/1day/R2.parquet").unlink()
    code, fewer = predict(tmp_path, "--symbols", "R3,R4", "--as-of", AS_OF)
    assert (code, [each["weight"] for each in fewer["predictions"]]) == (0, [0.0, 0.0])
    assert fewer["ranked"] == (
        "nothing is held: ranks need 5 symbols whose students differ from their base rates on the newest bar,"
        " there are 4"
    )


def test_a_long_book_holds_equal_shares(cwd: Path) -> None:
    """A trade holds 1 / (horizon x symbols of the release) of the capital."""
    _, found = predict(cwd, "--as-of", AS_OF, "--symbols", "M&M,^GSPC,TCS")
    assert [each["weight"] for each in found["predictions"]] == [
        1 / 25 if each["trade"] else 0.0 for each in found["predictions"]
    ]
    assert found["ranked"] == ""


def test_students_that_predict_the_base_rate_or_never_trade_are_not_ranked_among_the_others() -> None:
    """One that predicts its base rate, and one that never trades, hold 0; the six others share the capital."""
    p = np.array([0.5, 0.9, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7])
    prior, above = np.full(8, 0.45), np.full(8, 0.5)
    prior[0], above[1] = 0.5, np.inf
    scored = Scored(p, prior, above, np.full(8, 1, dtype=np.int64), [True] * 8)
    weights, sentence = long_short_weights(scored, 2)
    assert weights[:2] == [0.0, 0.0] and "6 symbols" in sentence
    assert weights[2:] == pytest.approx(np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]) / 1.8 / 2)


def judged_rows(p: Floats) -> Predictions:
    """One instant's rows of a judged run."""
    names = np.array([f"R{number}" for number in range(len(p))], dtype=object)
    whole = np.zeros(len(p), dtype=np.int64)
    scores = ("y", "forward_return", "student", "alone", "logistic", "teacher", "prior", "window_share", "trade_above")
    return Predictions(
        symbol=names, timestamp=whole, label_end=whole, day=whole, window=names, **dict.fromkeys(scores, p)
    )
