"""Trading costs: fees and taxes by date, as fractions of the traded value."""

from datetime import date

import numpy as np

from schemas.config.costs import CostRates, Costs
from schemas.config.run import RunConfig
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints

# From brokers' published sheets of 2024 to 2026; before October 2024 the exchange's fee was about 0.325 bps. Earlier
# changes (stamp duty, securities transaction tax) are not included.
_NSE_FEES = {"regulator_bps": 0.01, "protection_bps": 0.01, "service_tax": 0.18}
_FEE_CHANGE = date(2024, 10, 1)
NSE_DELIVERY = tuple(
    CostRates(
        since=since, exchange_bps=fee, tax_buy_bps=10.0, tax_sell_bps=10.0, stamp_buy_bps=1.5, sell_fee=15.3,
        **_NSE_FEES,
    )
    for since, fee in ((date.min, 0.325), (_FEE_CHANGE, 0.297))
)  # fmt: skip
NSE_INTRADAY = tuple(
    CostRates(
        since=since, exchange_bps=fee, tax_sell_bps=2.5, stamp_buy_bps=0.3, brokerage_bps=3.0, brokerage_cap=20.0,
        **_NSE_FEES,
    )
    for since, fee in ((date.min, 0.325), (_FEE_CHANGE, 0.297))
)  # fmt: skip


def schedule_of(config: RunConfig) -> tuple[CostRates, ...]:
    """Return a run's cost rates, the earliest first: an exchange's, those of the config file, or one flat rate."""
    schedules = {
        Costs.NSE_DELIVERY: NSE_DELIVERY,
        Costs.NSE_INTRADAY: NSE_INTRADAY,
        Costs.CONFIG: tuple(sorted(config.cost_rates, key=lambda rates: rates.since)),
        Costs.FLAT: (CostRates(since=date.min, exchange_bps=config.cost_bps / 2),),
    }
    return schedules[config.costs]


def side_costs(rates: CostRates, order_value: float) -> tuple[float, float]:
    """Return the costs of buying and of selling as fractions of the traded value.

    `order_value`: value of one order in currency, which fees per order are divided by.
    """
    brokerage = rates.brokerage_bps
    if rates.brokerage_cap is not None:
        brokerage = min(brokerage, rates.brokerage_cap / order_value * 1e4)
    fees = brokerage + rates.exchange_bps + rates.regulator_bps
    both = fees * (1 + rates.service_tax) + rates.protection_bps
    buy = both + rates.tax_buy_bps + rates.stamp_buy_bps
    sell = both + rates.tax_sell_bps + rates.sell_fee / order_value * 1e4
    return buy / 1e4, sell / 1e4


def costs_on(days: Ints, schedule: tuple[CostRates, ...], order_value: float) -> tuple[Floats, Floats]:
    """Return the costs of buying and of selling on each day, two arrays of fractions of shape (days,).

    `days`: days since 1970-01-01. ValueError if a day is before the first rates.
    """
    since = np.array([day_number(rates.since) for rates in schedule])
    place = np.searchsorted(since, days, side="right") - 1
    if len(days) and place.min() < 0:
        raise ValueError(f"no cost rates before {schedule[0].since}; add earlier rates to [[cost_rates]]")
    sides = np.array([side_costs(rates, order_value) for rates in schedule])[place]
    return sides[:, 0], sides[:, 1]
