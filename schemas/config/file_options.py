"""How files of bars are written, as far as their header does not show it: flags, or a profile file that is kept."""

import codecs
import re
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from schemas.contract.base import Frozen

SymbolPlace = Literal["file", "column", "folder"]

# What --columns can name. `time` is a time of day in a column of its own.
COLUMN_NAMES = ("timestamp", "time", "open", "high", "low", "close", "volume", "symbol")
DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


class FileOptions(Frozen):
    """Options of `csv:DIR` and `parquet:DIR`; what is not given is read from the files themselves."""

    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Names of columns, such as close=Adj Close,volume=Vol.; volume=0: there is none.",
    )
    date_format: str | None = Field(
        None, description="Form of timestamps, such as %d/%m/%Y %H:%M (the directives of Python's strptime)."
    )
    delimiter: str | None = Field(None, description="What separates cells: one character, or tab.")
    encoding: str | None = Field(
        None, description="Encoding of text that is not UTF-8, such as cp1252, gb18030 or shift_jis."
    )
    symbol_from: SymbolPlace | None = Field(
        None, description="Where symbols are: in the names of files, in a column, or in the names of folders."
    )
    where: dict[str, str] = Field(
        default_factory=dict, description="Only rows with this value, such as SERIES=EQ or SERIES=EQ|BE."
    )

    @field_validator("columns", "where", mode="before")
    @classmethod
    def _split_pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not pairs or not all(sign and name.strip() and text.strip() for name, sign, text in pairs):
            raise ValueError("is not NAME=VALUE, separated by commas")
        return {name.strip(): text.strip() for name, _, text in pairs}

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name not in COLUMN_NAMES:
                raise ValueError(f"{name!r} is not one of {', '.join(COLUMN_NAMES)}")
            if not text.strip():
                raise ValueError(f"{name} has no name of a column")
        return value

    @field_validator("date_format")
    @classmethod
    def _usable_date_format(cls, value: str | None) -> str | None:
        if value is None:
            return None
        moment = datetime(2019, 10, 31, 13, 0)
        try:
            same = datetime.strptime(moment.strftime(value), value).date() == moment.date()
        except (ValueError, re.error):  # a directive that is there twice is an error of re
            same = False
        if not same:
            raise ValueError(f"{value!r} does not hold a whole date; write it as in %d-%b-%Y or %m/%d/%Y %H:%M")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            return None if value is None else codecs.lookup(value).name
        except LookupError:
            raise ValueError(f"{value!r} is no encoding; write one such as cp1252, gb18030 or shift_jis") from None

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is None:
            return None
        sign = DELIMITERS.get(value.lower(), value)
        if len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in '"\r\n.':
            raise ValueError(f"{value!r} does not separate cells; write one character, or tab")
        return sign
