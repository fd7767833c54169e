"""The Celery task id of an attempt: `RUN/ROLE/NAME/ATTEMPT`. The only module that builds or parses one."""

import re
from typing import NamedTuple, Self

from schemas.contract.task import Role

ROLES = frozenset(Role)
# Longer ones are of no attempt, and Python refuses to convert very long ones.
NUMBER = re.compile(r"[0-9]{1,10}")


class AttemptId(NamedTuple):
    """Identity of one attempt; `str` gives the task id, which is unique on a broker and readable in every log."""

    run_id: str
    role: Role
    name: str
    attempt: int

    def __str__(self) -> str:
        return f"{run_prefix(self.run_id)}{self.role}/{self.name}/{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The attempt that a task id names; None if the task is not one of this project."""
        run_id, _, rest = text.partition("/")
        role, _, rest = rest.partition("/")
        name, _, attempt = rest.rpartition("/")
        if role not in ROLES or not run_id or not name or NUMBER.fullmatch(attempt) is None:
            return None
        return cls(run_id, Role(role), name, int(attempt))

    @property
    def work(self) -> str:
        """The work in words: role and name, or the role alone for a task on the whole run."""
        return f"{self.role} {self.name}" if self.name != self.run_id else f"{self.role}"


def in_words(task_id: str) -> str:
    """The work and run of an attempt's task id; the id of another program's task unchanged."""
    attempt = AttemptId.parse(task_id)
    return task_id if attempt is None else f"{attempt.work} of {attempt.run_id}"


def run_prefix(run_id: str) -> str:
    """Prefix of the ids of all attempts of a run, and of no other run."""
    return f"{run_id}/"
