"""Numbers in reports: three significant digits, whole ones in full, never an exponent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.numbers import between, exact, p_of, percent, shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "\N{EN DASH}"), (float("inf"), "\N{EN DASH}"), (0.0, "0"), (0.0012345, "0.00123"), (-1.6449, "-1.64"),
        (99.96, "100"), (0.09996, "0.100"), (1234.5, "1,230"), (12169, "12,169"), (8.0, "8"), (-0.0, "0"),
    ],
)  # fmt: skip
def test_examples(value: float | None, expected: str) -> None:
    """A rounding that adds a digit before the point takes one behind it."""
    assert shown(value) == expected


@given(st.floats(1e-7, 1e12) | st.floats(-1e12, -1e-7))
def test_a_number_keeps_its_sign_and_half_a_percent(value: float) -> None:
    """The text is within 0.5 % of the number, has a sign where asked, and no exponent."""
    text = shown(value, "+")
    assert re.fullmatch(r"[+-][\d,]+(\.\d+)?", text)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.005)


def test_shares_intervals_bounds_and_p_values() -> None:
    """A share is in percent, a bound is as it was set, a very small p is a bound."""
    assert (percent(0.0212, "+"), percent(None)) == ("+2.12 %", "\N{EN DASH}")
    assert (between(-6.641, 3.37, "+"), between(None, 1.0)) == ("-6.64 to +3.37", "\N{EN DASH}")
    assert (exact(0.05), exact(100_000.0), exact(None)) == ("0.05", "100,000", "\N{EN DASH}")
    assert (p_of(1e-5), p_of(0.7421), p_of(0.0), p_of(None)) == ("below 0.0001", "0.742", "below 0.0001", "\N{EN DASH}")
