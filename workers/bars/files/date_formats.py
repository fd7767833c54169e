"""Recognises how files write dates that are not in the form of ISO 8601, and rewrites them in that form."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from schemas.contract.errors import DataError

# The shape of a date, and the forms that it may have.
_DATES = (
    (r"\d{4}\.\d\d?\.\d\d?", ("%Y.%m.%d",)),
    (r"\d{4}/\d\d?/\d\d?", ("%Y/%m/%d",)),
    (r"\d\d?-[A-Za-z]{3}-\d{4}", ("%d-%b-%Y",)),
    (r"\d\d?-[A-Za-z]{3}-\d{2}", ("%d-%b-%y",)),
    (r"\d\d?-[A-Za-z]{4,9}-\d{4}", ("%d-%B-%Y",)),
    (r"\d\d? [A-Za-z]{3} \d{4}", ("%d %b %Y",)),
    (r"[A-Za-z]{3} \d\d?, \d{4}", ("%b %d, %Y",)),
    (r"[A-Za-z]{4,9} \d\d?, \d{4}", ("%B %d, %Y",)),
    (r"\d\d?\.\d\d?\.\d{4}", ("%d.%m.%Y",)),
    (r"\d\d?/\d\d?/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
    (r"\d\d?-\d\d?-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d\d?/\d\d?/\d{2}", ("%d/%m/%y", "%m/%d/%y")),
    (r"\d\d?-\d\d?-\d{2}", ("%d-%m-%y", "%m-%d-%y")),
    (r"\d\d?\.\d\d?\.\d{2}", ("%d.%m.%y",)),
    (r"\d\d? [A-Za-z]{4,9} \d{4}", ("%d %B %Y",)),
    (r"\d{4}年\d\d?月\d\d?日", ("%Y年%m月%d日",)),
    (r"[A-Za-z]{3}, \d\d? [A-Za-z]{3} \d{4}", ("%a, %d %b %Y",)),
    (r"[A-Za-z]{3} \d\d? [A-Za-z]{3} \d{4}", ("%a %d %b %Y",)),
    (r"[A-Za-z]{3}, [A-Za-z]{3} \d\d?, \d{4}", ("%a, %b %d, %Y",)),
    (r"[A-Za-z]{6,9}, [A-Za-z]{3,9} \d\d?, \d{4}", ("%A, %B %d, %Y",)),
    (r"\d{8}(?=[ T])", ("%Y%m%d",)),
)
_TIMES = (
    (r"", ""),
    (r" +\d\d?:\d\d", " %H:%M"),
    (r" +\d\d?:\d\d:\d\d", " %H:%M:%S"),
    (r" +\d\d?:\d\d:\d\d\.\d{1,6}", " %H:%M:%S.%f"),
    (r" +\d\d?:\d\d:\d\d\.\d{1,6} GMT[+-]\d{4}", " %H:%M:%S.%f GMT%z"),
    (r" +\d\d?:\d\d [AaPp][Mm]", " %I:%M %p"),
    (r" +\d\d?:\d\d:\d\d [AaPp][Mm]", " %I:%M:%S %p"),
    (r" +\d{6}", " %H%M%S"),
    (r"T\d\d?:\d\d:\d\d", "T%H:%M:%S"),
)
_FORMS = tuple(
    (re.compile(f"(?:{date}){time}"), tuple(f"{form}{clock}" for form in forms))
    for date, forms in _DATES
    for time, clock in _TIMES
)
# How many seconds one unit of an epoch has, by the number of its digits, as a power of ten.
_EPOCHS = {9: 0, 10: 0, 12: -3, 13: -3, 15: -6, 16: -6, 18: -9, 19: -9}
_CALENDAR = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def date_format(stamps: Sequence[str], more: Callable[[], Sequence[str]] | None = None) -> str:
    """The form of stamps as strptime writes it; "" for those that need none. `more` gives all stamps that are known.

    DataError if the day and the month cannot be distinguished in any of them.
    """
    first = next(filter(None, stamps), "")
    forms = next((forms for shape, forms in _FORMS if shape.fullmatch(first)), ())
    if len(forms) < 2:
        return "".join(forms)
    stamps = list(dict.fromkeys(more() if more else stamps))
    left = [form for form in forms if all(_is_read(stamp, form) for stamp in stamps if _is_read_by(stamp, forms))]
    if len(left) == 1:
        return left[0]
    if not left:
        return forms[0]
    choice = " or ".join(form.partition(" ")[0] for form in left)
    raise DataError(f"dates such as {first} may begin with the day or with the month; give --date-format {choice}")


def as_iso(stamps: pa.Array, clocks: pa.Array | None, form: str) -> pa.Array:
    """Stamps in the form of ISO 8601 where they can be read; others stay as they are, to be named."""
    if clocks is not None:
        days, times = _by_value(stamps, lambda text: _day(text, form)), _by_value(clocks, _clock)
        return pc.binary_join_element_wise(days, times, "T")
    head, _, tail = form.partition(" ")
    if tail and "%H" in tail and not re.search(r"%[dbBmyYzjI]", tail):  # few days and few times of day: read once each
        both = pc.split_pattern(pc.utf8_trim_whitespace(stamps), " ", max_splits=1)
        if pc.all(pc.equal(pc.list_value_length(both), 2)).as_py() is not False and len(both):
            days = _by_value(pc.list_element(both, 0), lambda text: _day(text, head))
            times = _by_value(pc.list_element(both, 1), lambda text: _read(text, tail, "%H:%M:%S.%f"))
            return pc.binary_join_element_wise(days, times, "T")
    return _by_value(stamps, lambda text: _moment(text, form))


def _by_value(stamps: pa.Array, rewrite: Callable[[str], str]) -> pa.Array:
    """The array with each distinct text rewritten once."""
    encoded = stamps.dictionary_encode()
    values = [rewrite((text or "").strip()) for text in encoded.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(encoded.indices)


def _moment(text: str, form: str) -> str:
    if not form and text.replace(".", "", 1).isdecimal() and text.isascii():
        return _digits(text)
    if not form:
        return text
    try:
        return datetime.strptime(text, form).isoformat()
    except ValueError:
        return text


def _digits(text: str) -> str:
    """A moment that is digits alone: a day, a day and time, or seconds since 1970 or a fraction of them."""
    whole = text.partition(".")[0]
    if text == whole and len(text) in _CALENDAR and text[:2] in ("19", "20"):
        try:
            return datetime.strptime(text, _CALENDAR[len(text)]).isoformat()
        except ValueError:
            pass
    power = _EPOCHS.get(len(whole))
    if power is None:
        return text
    micros = int(whole) * 10**6 // 10**-power
    if power == 0 and whole != text:
        micros += round(float(f"0.{text.partition('.')[2][:6] or 0}") * 10**6)
    seconds, rest = divmod(micros, 10**6)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def _day(text: str, form: str) -> str:
    moment = _moment(text, form)
    return moment.partition("T")[0] if not moment.endswith("Z") else moment


def _clock(text: str) -> str:
    """A time of day such as 9:15, 09:15:00, 915 or 091500 as ISO 8601 writes it."""
    if (text.isdecimal() and text.isascii() and len(text) in (3, 4, 5, 6)) or text == "0":
        digits = (text.zfill(4) + "00") if len(text) in (3, 4) else text.zfill(6)
        return f"{digits[:2]}:{digits[2:4]}:{digits[4:]}"
    return f"0{text}" if re.match(r"\d:", text) else text


def _read(text: str, form: str, as_form: str) -> str:
    try:
        return datetime.strptime(text, form).strftime(as_form)
    except ValueError:
        return text


def _is_read(stamp: str, form: str) -> bool:
    try:
        return bool(datetime.strptime(stamp, form))
    except ValueError:
        return False


def _is_read_by(stamp: str, forms: Sequence[str]) -> bool:
    return any(_is_read(stamp, form) for form in forms)
