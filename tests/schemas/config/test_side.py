"""Settings of side data: names, files, lags and ages."""

from pathlib import Path

import pytest

from orchestrator.runs.settings import resolve
from schemas.config.side import SideConfig, SideRequest
from schemas.contract.errors import RequestError


def test_flags_a_table_and_a_variable_mean_the_same(tmp_path: Path) -> None:
    """Several flags, a TOML table, and one text that commas separate; paths become absolute."""
    file = tmp_path / "run.toml"
    file.write_text(
        'side_lag = {fii = "90min"}\nside_max_age = ["fii=2w"]\n[side]\nfii = "/x/fii.csv"\npe = "/x/pe.csv"\n'
    )
    flags = {"side": ["fii=/x/fii.csv", "pe=/x/pe.csv"], "side_lag": ["fii=90min"], "side_max_age": ["fii=2w"]}
    variables = {
        "GURUKUL_SIDE": "fii=/x/fii.csv, pe=/x/pe.csv", "GURUKUL_SIDE_LAG": "fii=90min",
        "GURUKUL_SIDE_MAX_AGE": "fii=2w",
    }  # fmt: skip
    found = [
        resolve(SideConfig, flags, None, {}), resolve(SideConfig, {}, file, {}),
        resolve(SideConfig, {}, None, variables),
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]
    fii, pe = found[0].side_requests
    assert fii == SideRequest(name="fii", path="/x/fii.csv", lag_s=5_400, max_age_s=1_209_600)
    assert (pe.lag_s, pe.max_age_s) == (None, None)
    assert Path(resolve(SideConfig, {"side": ["a=b.csv"]}, None, {}).side_requests[0].path).is_absolute()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"side": ["fii.csv"]}, "--side: 'fii.csv' is not NAME=FILE"),
        ({"side": ["../x=fii.csv"]}, "is not NAME=FILE"),
        ({"side": ["a=x.csv", "a=y.csv"]}, "a is given twice"),
        ({"side": ["a=x.csv"], "side_lag": ["a=1"]}, "--side-lag: a=1 has no duration; write .* such as a=1d"),
        ({"side": ["a=x.csv"], "side_lag": ["a=-1d"]}, "a=-1d has no duration"),
        ({"side": ["a=x.csv"], "side_max_age": ["b=1d"]}, "--side-max-age b: no --side has that name"),
    ],
)
def test_a_wrong_value_is_named(flags: dict[str, list[str]], words: str) -> None:
    """With its flag and what to write."""
    with pytest.raises(RequestError, match=words):
        resolve(SideConfig, flags, None, {})
