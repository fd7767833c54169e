"""Reads files of side data for the orchestrator: what they hold, and, where asked, their stored form."""

from schemas.contract.errors import GurukulError
from schemas.contract.requests import SideQuestion, SideReport
from workers.side.reading import read, store


def inspect(question: SideQuestion) -> SideReport:
    """Read every file; a fault is returned as one sentence in `error`."""
    found = []
    try:
        for each in question.files:
            file = read(each, question.timezone)
            found.append(file.coverage)
            if question.out is not None:
                store(file, question.out)
    except GurukulError as error:
        return SideReport(error=str(error))
    return SideReport(files=tuple(found))
