"""Settings of the dashboard."""

from dataclasses import dataclass

PASSWORD = "GURUKUL_DASHBOARD_PASSWORD"


@dataclass(frozen=True)
class Settings:
    """Folders of runs, releases and further logs, the broker to follow, and the password."""

    data_dir: str
    release_dir: str
    broker: str | None = None
    password: str | None = None
    log_dirs: tuple[str, ...] = ()
