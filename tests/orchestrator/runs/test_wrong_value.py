"""A wrong value of any setting is described in our words."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.runs.settings import resolve
from schemas.config.run import RunConfig
from schemas.contract.errors import RequestError


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("horizon", "abc", "--horizon 'abc' is not a whole number"),
        ("horizon", "5.5", "--horizon '5.5' is not a whole number"),
        ("horizon", "0", "--horizon '0' must be at least 1"),
        ("horizon", "501", "--horizon '501' must be at most 500"),
        ("horizon", "9" * 5000, "is too large a number"),
        ("threshold", "x", "--threshold 'x' is not a number"),
        ("take_profit", "0", "--take-profit '0' must be more than 0"),
        ("trade_band", "1", "--trade-band '1' must be less than 1"),
        ("label", "fixd", "--label fixd: there is no such label; did you mean fixed? --plugins FILE gives"),
        ("label", "zzz", "--label zzz: there is no such label; the built-in ones are fixed, triple-barrier, rank"),
        ("start_date", "2020-13-45", "--start-date '2020-13-45' is not a day; write YYYY-MM-DD"),
        ("start_date", "2020-01-01 10:00", "is not a day; write YYYY-MM-DD"),
        ("lookback", "foo", "--lookback 'foo' must be expanding, window, or a number of days from 1 to 99999"),
        ("reuse", "maybe", "--reuse 'maybe' is neither true nor false"),
        ("gates", {"min_days": 3}, "gates.min_days '3' must be at least 20"),
        ("gates", {"nosuch": 1}, "gates.nosuch is not a setting"),
    ],
)
def test_a_wrong_value_has_a_sentence_of_ours(name: str, value: Any, sentence: str) -> None:
    """None of them is pydantic's, which speak of inputs, strings and patterns."""
    with pytest.raises(RequestError) as caught:
        resolve(RunConfig, {name: value}, None, {})
    assert sentence in str(caught.value)
    assert not {"Input", "should", "String"} & set(str(caught.value).split())


@pytest.mark.parametrize(("key", "hint"), [("hrizon", r"did you mean horizon\?"), ("plugged", ".* list them")])
def test_a_misspelt_key_of_a_file_has_its_neighbour(tmp_path: Path, key: str, hint: str) -> None:
    """`hrizon` is most likely `horizon`. What a preflight fills in is no setting, and so no neighbour."""
    file = tmp_path / "run.toml"
    file.write_text(f"{key} = 3\n")
    with pytest.raises(RequestError, match=f"{key} is not a setting; {hint}"):
        resolve(RunConfig, {}, file, {})
