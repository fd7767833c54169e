"""Whether a process of this machine still runs."""

import psutil

# The clock may be set while a process runs.
START_TOLERANCE_S = 60.0


def still_runs(pid: int, started_by: float | None = None) -> bool:
    """Whether a process has not ended. One that its parent has not waited for has ended.

    `started_by`: seconds since 1970 at which it was running already. A process of its id that started later is another
    one, to which the id was given again.
    """
    try:
        process = psutil.Process(pid)
        started, has_ended = process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return not has_ended and (started_by is None or started < started_by + START_TOLERANCE_S)
