"""Page Compare: two judged runs side by side."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.dashboard.rendering import Cell, mark, page
from orchestrator.dashboard.runs import listed
from orchestrator.dashboard.settings import Settings
from orchestrator.runs.compare import compare, number_rows, other_rows, plain
from schemas.contract.errors import GurukulError


def show(request: Request) -> Response:
    """Compare the two runs of `?run=A&run=B`; with fewer, ask for them."""
    here: Settings = request.app.state.here
    asked = request.query_params.getlist("run")
    judged = [run.run_id for run in listed(here.data_dir)[0] if run.layout.statistics.is_file()]
    facts: dict[str, Any] = {"judged": judged, "asked": [*asked, "", ""][:2], "trouble": "", "found": None}
    if len(asked) > 2:
        facts["trouble"] = f"{len(asked)} runs were chosen: two can be compared."
    elif len(asked) == 2 and all(asked):
        try:
            facts["found"] = _tables(compare(here.data_dir, *asked))
        except (GurukulError, ValueError, KeyError) as error:
            facts["trouble"] = f"The two cannot be compared: {error}."
    return page(request, "compare", **facts)


def _tables(found: dict[str, Any]) -> dict[str, Any]:
    """Rows of the tables: numbers, gates, settings."""
    gates: list[tuple[Cell, ...]] = [("recommendation", *(mark(each.value) for each in found["recommendation"]))]
    gates += [(name, *(mark(each) for each in answers)) for name, answers in found["gates"].items()]
    gates.append(("symbols that pass", *(", ".join(names) or "none" for names in found["passing"])))
    return {
        "runs": found["runs"],
        "numbers": [(name, *values) for name, values in number_rows(found).items()],
        "gates": gates,
        "settings": [(name, *map(plain, values)) for name, values in found["settings"].items()],
        "other_rows": other_rows(found),
    }
