"""Collects what is wrong with bars into one finding per check that names the first places."""

from collections.abc import Callable

from schemas.contract.quality import Check, Finding, Verdict

NAMED = 10


class Faults:
    """Counts faults by check and remembers the first `NAMED` places of each."""

    def __init__(self) -> None:
        self._verdicts: dict[Check, Verdict] = {}
        self._counts: dict[Check, int] = {}
        self._places: dict[Check, list[tuple[str, str]]] = {}

    def add(self, check: Check, where: str, detail: str, *, verdict: Verdict = Verdict.REJECT) -> None:
        """Count one fault at `where`; `detail` is what is wrong and what to do."""
        self.add_many(check, 1, lambda place: (where, detail), verdict=verdict)

    def add_many(
        self,
        check: Check,
        count: int,
        describe: Callable[[int], tuple[str, str]],
        *,
        verdict: Verdict = Verdict.REJECT,
        named: int = NAMED,
    ) -> None:
        """Count `count` faults; `describe` maps a fault's number, from 0, to its place and detail."""
        self._verdicts[check] = verdict
        self._counts[check] = self._counts.get(check, 0) + int(count)
        places = self._places.setdefault(check, [])
        places += [describe(number) for number in range(min(int(count), named - len(places)))]

    def findings(self) -> list[Finding]:
        """One finding per check, in the order of `Check`."""
        return [self._finding(check) for check in Check if self._counts.get(check)]

    def _finding(self, check: Check) -> Finding:
        (where, detail), *others = self._places[check]
        also = [f"; {place}: {what}" for place, what in others]
        unnamed = self._counts[check] - len(self._places[check])
        return Finding(
            check=check,
            verdict=self._verdicts[check],
            count=self._counts[check],
            where=where,
            detail=detail + "".join(also) + (f"; and {unnamed} more" if unnamed else ""),
        )
