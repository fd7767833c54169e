"""Numbers as texts for people: three significant digits, never an exponent."""

from math import floor, isfinite, log10

DIGITS = 3
SMALLEST_P = 1e-4
NOT_KNOWN = "\N{EN DASH}"


def shown(value: float | None, sign: str = "") -> str:
    """Return a number with three significant digits, a whole one in full; None is a dash.

    `sign`: `+` where a plus is written.
    """
    if value is None or not isfinite(value):
        return NOT_KNOWN
    if value == int(value):
        return f"{int(value):{sign if value else ''},}"
    rounded = float(f"{value:.{DIGITS - 1}e}")
    decimals = max(DIGITS - 1 - floor(log10(abs(rounded))), 0)
    return f"{rounded:{sign},.{decimals}f}"


def exact(value: float | None) -> str:
    """Return a bound that was set, without trailing zeros."""
    return NOT_KNOWN if value is None else f"{value:,.10g}"


def percent(share: float | None, sign: str = "") -> str:
    """Return a share in percent."""
    return NOT_KNOWN if share is None else f"{shown(100.0 * share, sign)} %"


def between(low: float | None, high: float | None, sign: str = "") -> str:
    """Return an interval."""
    return NOT_KNOWN if low is None or high is None else f"{shown(low, sign)} to {shown(high, sign)}"


def p_of(p: float | None) -> str:
    """Return a p value; a very small one as a bound."""
    return f"below {SMALLEST_P:.4f}" if p is not None and p < SMALLEST_P else shown(p)
