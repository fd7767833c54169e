"""Page Results: the conclusion of a run, the numbers, and a comparison with another run."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from orchestrator.audit.wording import MODELS, distinct
from orchestrator.dashboard.judged import (
    Judgement,
    audit_of,
    chart,
    importances,
    judgement,
    label_rule,
    status_sentence,
)
from orchestrator.dashboard.markup import Cell, mark, number, plain, table
from orchestrator.dashboard.picker import PICKER_PX, described
from orchestrator.dashboard.runs import Run, listed
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.theme import BLUE, STATUS_COLOURS
from orchestrator.runs.compare import compare
from schemas.contract.conclusion import Conclusion
from schemas.contract.errors import GurukulError
from schemas.contract.judgement import Criterion, Gate
from schemas.contract.numbers import between, exact, p_of, percent, shown
from schemas.contract.run import RunStatus

ICONS = {"passed": ":material/check:", "warning": ":material/warning:", "not passed": ":material/close:"}
SHOWN_FEATURES = 15
FEATURE_PX = 22
SECOND, SECOND_IN_ADDRESS = "second_run", "beside"


def show(run: Run, here: Settings) -> None:
    """Draw the whole page of one run."""
    if (sentence := status_sentence(run)) is not None:
        (st.error if run.status is RunStatus.FAILED else st.info)(sentence)
    try:
        found = judgement(run.layout)
    except GurukulError as error:
        st.error(
            f"The judgement cannot be read: {plain(str(error))}."
            f" `orchestrator verify {run.run_id}` lists everything that is wrong."
        )
        return
    if found is None:
        st.write(_so_far(run))
        return
    given = found.conclusion.recommendation
    if run.recommendation is not None and run.recommendation != given:
        st.error(
            f"The ledger has {run.recommendation}, statistics.json gives {given}: one was changed."
            f" `orchestrator verify {run.run_id}` shows the details."
        )
    audit = audit_of(run, here.release_dir)
    _verdict(found.conclusion)
    _earned(found.conclusion, audit)
    _sureness(found.conclusion)
    _changes(found.conclusion)
    _gates(found)
    _predictions(found, audit)
    _trading(found, audit)
    _importances(run)
    _comparison(run, here)


def _so_far(run: Run) -> str:
    models = f"{run.trained} windows trained, {run.skipped} skipped, {run.failed} failed"
    return f"It was not judged yet, so there is no verdict to show: {models}."


def _verdict(found: Conclusion) -> None:
    word = found.recommendation.value
    st.html(
        f'<div class="g-verdict" style="border-color:{STATUS_COLOURS[word]}"><div class="g-word">{word}</div>'
        f"<p>{escape(found.sentence)}</p><p><b>Next:</b> {escape(found.advice)} The user decides.</p></div>"
    )
    for alert in found.alerts:
        st.warning(f"Check the data before you trust these numbers. {plain(alert)}.")


def _earned(found: Conclusion, audit: Path) -> None:
    st.subheader("What it would have earned")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _chart(audit, "earned")
    headings = ("after costs", "in all", "per year", "worst fall", "Sharpe")
    rows = [(each.name, each.growth, each.a_year, each.worst_fall, each.sharpe) for each in found.earned]
    with right:
        st.html(table(headings, rows))
        st.caption(f"{found.span}.")


def _sureness(found: Conclusion) -> None:
    st.subheader("How sure is that?")
    for place, each in zip(st.columns(len(found.sureness), gap="large"), found.sureness, strict=True):
        with place:
            st.metric(each.name, each.text)
            st.caption(plain(each.meaning if each.number is None else f"{each.interval}. {each.meaning}"))
    st.html(_listed(found.basis))


def _changes(found: Conclusion) -> None:
    st.subheader("What would change the verdict")
    st.html(_listed(found.changes))
    for step in found.next_steps:
        st.code(step, language=None, wrap_lines=True)
    if found.warnings:
        st.subheader("Warnings")
        st.html(_listed(found.warnings))


def _listed(sentences: Sequence[str]) -> str:
    return f'<ul class="g-list">{"".join(f"<li>{escape(each)}</li>" for each in sentences)}</ul>'


def _gates(found: Judgement) -> None:
    st.subheader("Gates")
    for gate in found.statistics.gates:
        with st.expander(
            f"**{gate.name}**: {gate.answer}. {gate.question}",
            icon=ICONS[gate.answer],
        ):
            st.html(_gate(gate))


def _gate(gate: Gate) -> str:
    headings = ("test", "part", "ruling", "number", "bound", "95 % interval", "n", "p", "in words")
    return table(headings, [_criterion(each) for each in gate.criteria], words=("part", "ruling", "in words"))


def _criterion(each: Criterion) -> tuple[Cell, ...]:
    count = None if each.n is None else f"{each.n:,}"
    return (
        each.name, each.part.value, mark(each.answer), shown(each.statistic), exact(each.threshold),
        between(each.low, each.high), count, p_of(each.p), each.reason,
    )  # fmt: skip


def _predictions(found: Judgement, audit: Path) -> None:
    validation = found.validation
    st.subheader("Predictions")
    st.caption(f"{validation.first} to {validation.last}, by {validation.windows:,} students.")
    if not audit.is_dir():
        st.info(f"There is no audit at {plain(str(audit))}, so there are no charts: start with its `--release-dir`.")
    rows = [
        (
            MODELS.get(name, name), shown(each.log_loss), percent(each.skill, "+"), shown(each.brier), shown(each.auc),
            shown(each.ece), shown(each.rank_ic, "+"), shown(each.rank_ic_t, "+"), shown(each.tail_spread_bps, "+"),
            shown(each.tail_spread_t, "+"),
        )
        for name, each in distinct(validation.scores).items()
    ]  # fmt: skip
    st.html(
        table(
            (
                "model",
                "log loss",
                "skill",
                "Brier",
                "AUC",
                "calibration error",
                "rank IC",
                "its t",
                "spread of tails, bps",
                "its t",
            ),
            rows,
        )
    )
    left, right = st.columns(2, gap="large")
    with left:
        _chart(audit, "reliability")
    with right:
        _chart(audit, "skill_by_symbol")
    _chart(audit, "skill_by_window")


def _trading(found: Judgement, audit: Path) -> None:
    st.subheader("Trading")
    rows = [
        (
            MODELS.get(name, name), shown(each.net_bps_a_day, "+"), shown(each.alpha_bps_a_day, "+"),
            shown(each.beta), shown(each.sharpe, "+"), f"{shown(each.max_drawdown_percent)} %",
            f"{each.under_water_days:,}", f"{each.trades:,}", percent(each.hit_rate), shown(each.break_even_bps),
        )
        for name, each in distinct(found.validation.trading).items()
    ]  # fmt: skip
    headings = (
        "strategy", "net, bps per day", "alpha, bps per day", "beta", "Sharpe", "max. drawdown", "days under water",
        "decisions", "won", "breaks even, bps",
    )  # fmt: skip
    st.html(table(headings, rows))
    _chart(audit, "rules")


def _chart(audit: Path, name: str) -> None:
    found = chart(audit, name, dark=st.context.theme.type == "dark")
    if found is None:
        return
    st.markdown(f"**{found.title}**")
    st.vega_lite_chart(spec=found.specification, key=f"chart_{name}", alt=found.title)


def _importances(run: Run) -> None:
    st.subheader("Features")
    try:
        means, teachers = _cached_importances(
            str(run.layout.folder), run.layout.rows("teacher").stat().st_mtime_ns, run
        )
    except (GurukulError, OSError, ValueError) as error:
        st.warning(f"The teachers' importances cannot be read: {plain(str(error))}")
        return
    shown = list(means.items())[:SHOWN_FEATURES]
    if not shown:
        st.write("No teacher was trained.")
        return
    st.caption(
        f"Mean share of the gain over {teachers} teachers; the first {len(shown)} of {len(means)} features."
        f" What is predicted: {label_rule(run.layout)}."
    )
    frame = pd.DataFrame(shown, columns=["feature", "share"])
    st.altair_chart(
        alt.Chart(frame, height=len(shown) * FEATURE_PX + 40)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("share:Q", title=None, axis=alt.Axis(format="%", tickCount=5)),
            y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=150)),
            tooltip=["feature:N", alt.Tooltip("share:Q", format=".2%")],
        ),
        key="importances",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _cached_importances(folder: str, mtime_ns: int, _run: Run) -> tuple[dict[str, float], int]:
    return importances(_run.layout)


def _comparison(run: Run, here: Settings) -> None:
    st.subheader("Beside another run")
    others = {
        each.run_id: each
        for each in listed(here.data_dir)[0]
        if each.run_id != run.run_id and each.layout.statistics.is_file()
    }
    if not others:
        st.write("No other run here was judged. Train one more to compare with, for example with another horizon:")
        st.code("orchestrator run --source sample --horizon 10", language=None)
        return
    wanted = st.query_params.get(SECOND_IN_ADDRESS)
    st.session_state[SECOND] = wanted if wanted in others else None
    second = st.selectbox(
        "Second run", list(others), index=None, key=SECOND, width=PICKER_PX, placeholder="none",
        format_func=lambda run_id: described(others[run_id]), on_change=_second_changed,
    )  # fmt: skip
    if second is None:
        return
    try:
        found = compare(here.data_dir, run.run_id, second)
    except (GurukulError, ValueError, KeyError) as error:
        st.warning(f"The two cannot be compared: {plain(str(error))}")
        return
    if not found["same_rows"]:
        spans = " and ".join(
            f"{rows:,} from {first} to {last}" for rows, (first, last) in zip(found["rows"], found["span"], strict=True)
        )
        st.warning(f"They scored other rows ({spans}): these numbers are not of the same days, symbols or labels.")
    numbers = [(name, *(number(value, ".6g") for value in values)) for name, values in found["numbers"].items()]
    st.html(table(("number", *found["runs"]), numbers))
    gates: list[tuple[Cell, ...]] = [
        (name, *(mark(each) for each in answers)) for name, answers in found["gates"].items()
    ]
    gates.append(("symbols that pass", *(", ".join(names) or "none" for names in found["passing"])))
    gates.append(("recommendation", *(mark(each.value) for each in found["recommendation"])))
    st.html(table(("gate", *found["runs"]), gates, words=found["runs"]))
    if not found["settings"]:
        st.write("Both runs have the same settings; folders, broker and devices are not compared.")
        return
    asked = [(name, *map(_plain, values)) for name, values in found["settings"].items()]
    st.html(table(("setting", *found["runs"]), asked, words=found["runs"]))


def _second_changed() -> None:
    chosen = st.session_state[SECOND]
    if chosen is None:
        st.query_params.pop(SECOND_IN_ADDRESS, None)
    else:
        st.query_params[SECOND_IN_ADDRESS] = chosen


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
