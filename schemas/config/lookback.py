"""Which rows before its end a window's models learn from."""

import re
from typing import Annotated

from pydantic import AfterValidator


def _known_lookback(value: str) -> str:
    if not re.fullmatch(r"expanding|window|[1-9][0-9]{0,4}", value):
        raise ValueError("must be expanding, window, or a number of days from 1 to 99999")
    return value


Lookback = Annotated[str, AfterValidator(_known_lookback)]
