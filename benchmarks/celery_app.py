"""The plain Celery peer: one task, one queue, Celery's defaults. The broker is CELERY_BROKER_URL."""

from celery import Celery
from celery.signals import celeryd_init

from benchmarks.work import work
from workers.celery.parent_watch import watch_parent

TASK = "benchmarks.work"

app = Celery("benchmarks")
app.task(name=TASK)(work)


@celeryd_init.connect
def _end_with_driver(**_: object) -> None:
    watch_parent()
