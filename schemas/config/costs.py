"""Costs of a trade: the rates of an exchange, each valid from a date."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from schemas.contract.base import Frozen


class Costs(StrEnum):
    """The source of trading costs: one flat figure, the rates of NSE, or those of the config file."""

    FLAT = "flat"
    NSE_DELIVERY = "nse-delivery"
    NSE_INTRADAY = "nse-intraday"
    CONFIG = "config"


class CostRates(Frozen):
    """Fees and taxes of an exchange from a date on, in bps of the traded value, per side unless named buy or sell."""

    since: date = Field(description="First day of these rates.")
    tax_buy_bps: float = Field(0.0, ge=0, description="Transaction tax of a purchase.")
    tax_sell_bps: float = Field(0.0, ge=0, description="Transaction tax of a sale.")
    exchange_bps: float = Field(0.0, ge=0, description="The exchange's fee, each side.")
    regulator_bps: float = Field(0.0, ge=0, description="The regulator's fee, each side.")
    protection_bps: float = Field(0.0, ge=0, description="The investor protection fund's fee, each side.")
    stamp_buy_bps: float = Field(0.0, ge=0, description="Stamp duty of a purchase.")
    brokerage_bps: float = Field(0.0, ge=0, description="The broker's fee, each side.")
    brokerage_cap: float | None = Field(None, gt=0, description="Maximum per order, in currency.")
    service_tax: float = Field(0.0, ge=0, description="Share of the sum of brokerage, exchange's and regulator's fees.")
    sell_fee: float = Field(0.0, ge=0, description="Fee per sale, in currency.")
