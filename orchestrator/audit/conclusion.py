"""Turns a judgement into the words and figures that report, briefing, summary, terminal, dashboard and metrics show."""

from datetime import date

from orchestrator.audit import next_step
from orchestrator.audit.recommendation import failing, recommend
from orchestrator.audit.wording import changed_bounds, effect_sentence, jumping, jumps_of, survivorship_of
from orchestrator.planning.power import missing_years, years_missing
from schemas.contract.artifact import RunManifest
from schemas.contract.conclusion import Conclusion, Earned, Figure
from schemas.contract.judgement import (
    ALPHA,
    ALWAYS_LONG,
    LABEL_PERMUTATION,
    NET_RETURN,
    NOT_WORSE_THAN_LIVE,
    STUDENT,
    Criterion,
    Gate,
    Part,
    Recommendation,
    Ruling,
    Scores,
    Statistics,
    Trading,
    Validation,
    ValueScores,
)
from schemas.contract.numbers import between, exact, p_of, shown
from schemas.contract.trials import TrialCount

# Beyond as many more years, the advice is not to wait.
LONGEST_WAIT_YEARS = 10.0
CASH = Earned(name="cash", growth="0 %", a_year="0 %", worst_fall="0 %", sharpe=shown(None))
# What failed, by gate, for hard tests: their own reasons follow.
HARD_FAULTS = {
    "data": "Too little of the run was scored to judge it",
    "leak": "A model may have used information from the future",
    "skill": "The release that is live predicts better",
}


def conclude(manifest: RunManifest, statistics: Statistics, validation: Validation, trials: TrialCount) -> Conclusion:
    """Return the recommendation with the sentence that decides it, its figures, and what would change it."""
    recommendation = recommend(statistics)
    per_year = manifest.periods_per_year
    jumps = manifest.bars and jumps_of(manifest.bars, manifest.config.keep_jumps)
    return Conclusion(
        recommendation=recommendation,
        sentence=_sentence(recommendation, statistics, per_year),
        span=_span(manifest, validation),
        earned=(
            *(_earned(name, validation.trading[name], validation.days, per_year) for name in (STUDENT, ALWAYS_LONG)),
            CASH,
        ),
        sureness=(_alpha(statistics, per_year, trials), _skill(statistics, validation)),
        advice=_advice(recommendation, manifest, statistics, validation),
        changes=_changes(recommendation, manifest, statistics, validation),
        next_steps=_next_steps(recommendation, manifest, validation),
        alerts=(_capital(jumps),) if jumps else (),
        warnings=_warnings(manifest, statistics, trials),
        basis=_basis(manifest, statistics, validation, trials),
    )


def _sentence(recommendation: Recommendation, statistics: Statistics, per_year: int) -> str:
    """What decides: the first of hard faults, a ruled out alpha, missing numbers, the tests that fail."""
    alpha, permutation = statistics.test(ALPHA), statistics.test(LABEL_PERMUTATION)
    faults = failing(statistics)
    for gate, each in faults:
        if each.part is Part.HARD and each.ruling is Ruling.FAIL:
            return f"{HARD_FAULTS.get(gate.name, gate.question)}: {each.reason}."
    if recommendation is Recommendation.PROMOTE:
        return (
            f"The predictions are better than luck, and trading them earned {_alpha_text(alpha, per_year)} beside the"
            " market after costs, more than luck explains."
        )
    if alpha is not None and alpha.rules_out:
        hurdle = f", below the hurdle of {exact(_yearly(alpha.threshold, per_year))} %" if alpha.threshold else ""
        return (
            f"Trading the predictions earned {_alpha_text(alpha, per_year)} beside the market after costs{hurdle}, and"
            " bad luck does not explain that."
        )
    for _, each in faults:
        if each.ruling is Ruling.NOT_COMPUTABLE:
            return f"There is too little to decide on ({each.name}): {each.reason}."
    predicts, earns = (each is None or each.ruling is Ruling.PASS for each in (permutation, alpha))
    rate = f"{_alpha_text(alpha, per_year)} after costs"
    if not predicts and not earns:
        return f"Neither the predictions nor what they earned beside the market ({rate}) differs from luck."
    if not earns and alpha is not None and (alpha.statistic or 0.0) <= (alpha.threshold or 0.0):
        return f"The predictions are better than luck, but trading them earned nothing beside the market ({rate})."
    if not earns:
        return f"The predictions are better than luck, but what they earned beside the market ({rate}) can be luck."
    if not predicts:
        return (
            f"Trading earned more than its share of the market ({rate}), but the predictions do not differ from luck:"
            " the gain may come from a few days."
        )
    gate, last = faults[0]
    if last.name == NET_RETURN:
        return f"The predictions are better than luck, but trading them did not earn more than it cost: {last.reason}."
    return f"The whole span passes, but {last.name} does not: {last.reason}."


def _alpha_text(alpha: Criterion | None, per_year: int) -> str:
    """Alpha in percent of capital per year."""
    if alpha is None or alpha.statistic is None:
        return shown(None)
    return f"{shown(_yearly(alpha.statistic, per_year), '+')} % per year"


def _yearly(bps_per_day: float, per_year: int) -> float:
    """Percent of capital per year."""
    return bps_per_day * per_year / 100.0


def _span(manifest: RunManifest, validation: Validation) -> str:
    years = validation.days / manifest.periods_per_year
    unit = "weeks" if manifest.config.interval == "1week" else "days"
    return f"{validation.days:,} {unit} ({shown(years)} years), {validation.first} to {validation.last}"


def _earned(name: str, found: Trading, scored_days: int, per_year: int) -> Earned:
    """Growth of less than a year is not extrapolated to one."""
    years = (found.days or scored_days) / per_year
    kept = max(1.0 + found.growth_percent / 100.0, 0.0)
    a_year = f"{shown(100.0 * (kept ** (1.0 / years) - 1.0), '+')} %" if years >= 1.0 else shown(None)
    return Earned(
        name=f"the {name}s" if name == STUDENT else name,
        growth=f"{shown(found.growth_percent, '+')} %",
        a_year=a_year,
        worst_fall=f"{shown(found.max_drawdown_percent)} %",
        sharpe=shown(found.sharpe, "+"),
    )


def _alpha(statistics: Statistics, per_year: int, trials: TrialCount) -> Figure:
    name, found = "Earned beside the market (alpha)", statistics.test(ALPHA)
    if found is None or found.statistic is None or found.low is None or found.high is None:
        return _unknown(name, found)
    value, low, high, bound = (
        _yearly(each, per_year) for each in (found.statistic, found.low, found.high, found.threshold or 0.0)
    )
    is_corrected = trials.trials > 1 and trials.opened_from is None
    what = "configurations and selections of symbols" if trials.selections > 1 else "configurations"
    tried = f" as the best of {trials.trials:,} {what} tried" if is_corrected else ""
    needed = f"p {p_of(found.p)}{tried}, at most {exact(statistics.settings.significance)} is needed"
    if found.ruling is Ruling.PASS:
        meaning = f"Luck alone would rarely earn that ({needed})."
    elif found.rules_out:
        meaning = f"The whole interval is below {_level(bound)}: more days will not help ({needed})."
    elif low > bound:
        meaning = f"The whole interval is above {_level(bound)}, but luck reaches that too often ({needed})."
    else:
        meaning = f"The interval holds {_level(bound)}: it may have gained or lost beside the market ({needed})."
    return _figure(name, value, low, high, bound, " % per year", meaning)


def _level(bound: float) -> str:
    return f"the hurdle of {exact(bound)} %" if bound else "0"


def _skill(statistics: Statistics, validation: Validation) -> Figure:
    simple = validation.loss.opponent
    name = f"Better predicted than by the {simple} ({validation.loss.skill})"
    found, permutation = statistics.test(validation.loss.improvement), statistics.test(LABEL_PERMUTATION)
    if found is None or found.statistic is None or found.low is None or found.high is None:
        return _unknown(name, found)
    loss = validation.scores[validation.opponent].loss
    value, low, high = (100.0 * each / loss for each in (found.statistic, found.low, found.high))
    bound = f"at most {exact(statistics.settings.permutation_p)} is needed"
    if permutation is None or permutation.p is None:
        tested = "" if permutation is None else f" The test of luck is {permutation.reason}."
    else:
        tested = f" A random assignment of labels does as well with probability {p_of(permutation.p)}; {bound}."
    if low > 0:
        meaning = f"Over days, predictions are better than the {simple}."
    elif high < 0:
        meaning = f"Over days, predictions are worse than the {simple}."
    else:
        meaning = f"The interval holds 0: predictions may be better or worse than the {simple}."
    return _figure(name, value, low, high, 0.0, " %", meaning + tested)


def _figure(name: str, value: float, low: float, high: float, bound: float, unit: str, meaning: str) -> Figure:
    return Figure(
        name=name, text=f"{shown(value, '+')}{unit}", interval=f"{between(low, high, '+')} (95 %)", meaning=meaning,
        number=value, low=low, high=high, bound=bound,
    )  # fmt: skip


def _unknown(name: str, found: Criterion | None) -> Figure:
    reason = found.reason if found is not None else "it was not tested"
    return Figure(name=name, text="not known", interval=shown(None), meaning=f"{_capital(reason)}.")


def _advice(
    recommendation: Recommendation, manifest: RunManifest, statistics: Statistics, validation: Validation
) -> str:
    faults = failing(statistics)
    if recommendation is Recommendation.PROMOTE:
        return "Approve it, and deploy it to staging."
    if any(each.part is Part.HARD and each.ruling is Ruling.FAIL for _, each in faults):
        return "Correct that, and run again."
    if recommendation is Recommendation.REJECT:
        return "Reject it. More days will not help; other features, labels or symbols may."
    if any(each.ruling is Ruling.NOT_COMPUTABLE for _, each in faults):
        return "Do not deploy it. Add what is missing, and judge it again."
    if (later := _later(manifest, validation)) is not None:
        return f"Do not deploy it. Judge it again when there are bars up to {later}."
    return "Do not deploy it. Try other features, labels or symbols: more days are not likely to decide it."


def _later(manifest: RunManifest, validation: Validation) -> date | None:
    """The end date at which the present rate would decide; None if that is not known, or too far away."""
    ratio = validation.trading[STUDENT].information_ratio
    years = years_missing(ratio, validation.days, manifest.periods_per_year)
    is_near = years is not None and 0 < years <= LONGEST_WAIT_YEARS
    return next_step.after_years(manifest.config, years) if is_near and years is not None else None


def _changes(
    recommendation: Recommendation, manifest: RunManifest, statistics: Statistics, validation: Validation
) -> tuple[str, ...]:
    if recommendation is Recommendation.PROMOTE:
        return (
            "Every test that decides passes. Each further configuration that is tried raises what alpha must reach.",
        )
    needed = tuple(_needed(gate, each, statistics) for gate, each in failing(statistics))
    if recommendation is Recommendation.REJECT:
        return needed
    ratio = validation.trading[STUDENT].information_ratio
    return (*needed, missing_years(ratio, validation.days, manifest.periods_per_year))


def _needed(gate: Gate, test: Criterion, statistics: Statistics) -> str:
    """What a test that decides would have to find."""
    if test.p is not None and test.name == ALPHA:
        bound = exact(statistics.settings.significance)
        return f"What it earned beside the market must be more than luck: p at most {bound}, it is {p_of(test.p)}."
    if test.p is not None and test.name == LABEL_PERMUTATION:
        bound = exact(statistics.settings.permutation_p)
        return f"The predictions must be better than luck: p at most {bound}, it is {p_of(test.p)}."
    if test.name == NET_RETURN and test.statistic is not None:
        return f"The students must earn more than they cost: {test.reason}."
    return f"{gate.name}: {test.name} must pass: {test.reason}."


def _next_steps(recommendation: Recommendation, manifest: RunManifest, validation: Validation) -> tuple[str, ...]:
    symbols = jumping(manifest.bars) if manifest.bars is not None else {}
    config = manifest.config
    steps = (next_step.suggest_actions(config, symbols),) if symbols else ()
    if recommendation is Recommendation.PROMOTE:
        return (*steps, next_step.approve(manifest.run_id, config), next_step.deploy(manifest.run_id, config))
    if recommendation is Recommendation.REJECT:
        return (*steps, next_step.reject(manifest.run_id, config))
    later = _later(manifest, validation)
    return (*steps, next_step.power(config) if later is None else next_step.run_again(config, later))


def _warnings(manifest: RunManifest, statistics: Statistics, trials: TrialCount) -> tuple[str, ...]:
    again = f", first on days up to {trials.judged_until}: evidence since then decides too" * bool(trials.judged_until)
    looks = f"This configuration was judged {_count(trials.looks, 'time')} before{again}." * bool(trials.looks)
    found = [f"{gate.name}: {each.name}: {each.reason}." for gate in statistics.gates for each in gate.warnings]
    survivors = survivorship_of(manifest) or ""
    return tuple(
        each for each in (*trials.notes, *changed_bounds(statistics.settings), looks, *found, survivors) if each
    )


def _basis(
    manifest: RunManifest, statistics: Statistics, validation: Validation, trials: TrialCount
) -> tuple[str, ...]:
    student, constant = validation.trading[STUDENT], validation.constant_windows
    made = f"made {validation.constant_trades:,} of them"
    alone = f"{_count(constant, 'student')} that predicted the {validation.loss.baseline} alone"
    flat = f"; {alone} {made}" * bool(constant)
    apart = f", {trials.elsewhere:,} of them under other data folders with the same --trials-dir"
    elsewhere = apart if trials.elsewhere else ""
    tuned = "".join(
        f"; {each.trials:,} of them by study {each.name}, on days before {each.until}" for each in trials.studies
    )
    others = f"{_count(trials.selections - 1, 'other selection')} of symbols that could have been made"
    selections = f"; with {others}, {trials.trials:,} in all" if trials.selections > 1 else ""
    taught = effect_sentence(validation.taught, validation.windows, validation.loss, validation.scores["alone"].loss)
    weekly = ("Bars are weekly: a day of these numbers is a week with a bar.",) * (manifest.config.interval == "1week")
    return (
        *weekly,
        f"{validation.rows:,} predictions of {_count(len(validation.per_symbol), 'symbol')}, on days that no student"
        f" had seen, by {_count(validation.windows, 'student')}.",
        *_order(manifest, validation.scores[STUDENT]),
        f"{_count(student.trades, 'decision')} to trade{flat}.",
        *_beside_live(statistics),
        f"{_capital(taught)}.",
        f"{_count(trials.configurations, 'configuration')} tried on these symbols and days{elsewhere}{tuned}"
        f"{selections}.",
    )


def _beside_live(statistics: Statistics) -> tuple[str, ...]:
    """How the candidate compares with the release that is live; nothing where none is."""
    found = statistics.test(NOT_WORSE_THAN_LIVE)
    return () if found is None else (f"{_capital(found.reason)}.",)


def _order(manifest: RunManifest, scores: Scores | ValueScores) -> tuple[str, ...]:
    """With rank labels, how well predictions order the symbols; nothing with others."""
    if manifest.config.label != "rank" or scores.rank_ic is None or scores.tail_spread_bps is None:
        return ()
    ic, spread = (
        f"{shown(value, '+')}{unit} (t {shown(t, '+')})"
        for value, unit, t in (
            (scores.rank_ic, "", scores.rank_ic_t),
            (scores.tail_spread_bps, " bps", scores.tail_spread_t),
        )
    )
    return (f"Rank IC {ic}; spread of tails, highest less lowest tenth over a horizon, {spread}.",)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
