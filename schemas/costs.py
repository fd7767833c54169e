"""Rates by which a trade is charged: an exchange's, from a day on."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from schemas.base import Frozen


class Costs(StrEnum):
    """Where a trade's cost comes from: one flat figure, NSE's rates, or the config file's."""

    FLAT = "flat"
    NSE_DELIVERY = "nse-delivery"
    NSE_INTRADAY = "nse-intraday"
    CONFIG = "config"


class CostRates(Frozen):
    """Fees and taxes of an exchange from a day on; bps of the traded value, a side unless it says buy or sell."""

    since: date
    tax_buy_bps: float = 0.0
    tax_sell_bps: float = 0.0
    exchange_bps: float = 0.0
    regulator_bps: float = 0.0
    protection_bps: float = 0.0
    stamp_buy_bps: float = 0.0
    brokerage_bps: float = 0.0
    brokerage_cap: float | None = Field(None, description="Most that one order pays, in currency.")
    service_tax: float = Field(0.0, description="Share of brokerage, exchange's and regulator's fees.")
    sell_fee: float = Field(0.0, description="Of each sale, in currency.")
