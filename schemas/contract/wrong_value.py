"""What is wrong with the value of a setting, in words: the predicate of a sentence whose subject is the setting."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

SENTENCES = {
    "int_parsing": "is not a whole number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_parsing_size": "is too large a number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "date_type": "is not a day; write YYYY-MM-DD",
    "date_parsing": "is not a day; write YYYY-MM-DD",
    "date_from_datetime_parsing": "is not a day; write YYYY-MM-DD",
    "date_from_datetime_inexact": "is not a day; write YYYY-MM-DD",
    "string_type": "is not a text; write it in quotes",
    "tuple_type": "is not a list",
    "dict_type": "is not a table",
    "model_type": "is not a table",
    "model_attributes_type": "is not a table",
    "extra_forbidden": "is not a setting",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
}


def fault(error: Mapping[str, Any]) -> str:
    """What is wrong, from one entry of a ValidationError; pydantic's own words for a kind without a sentence here."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in SENTENCES:
        return SENTENCES[kind].format(**context)
    if kind in ("literal_error", "enum"):
        choices = str(context["expected"]).replace("'", "")
        names = choices.replace(" or ", ", ").split(", ")
        near = get_close_matches(str(error["input"]), names, n=1)
        return f"must be {choices}" + (f"; did you mean {near[0]}?" if near else "")
    return str(error["msg"]).removeprefix("Value error, ")
