"""Settings that `orchestrator dashboard` passes to its process, in the environment because a command line is public."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.contract.errors import RequestError

DATA_DIR, RELEASE_DIR, BROKER = "GURUKUL_DATA_DIR", "GURUKUL_RELEASE_DIR", "GURUKUL_BROKER"
PASSWORD = "GURUKUL_DASHBOARD_PASSWORD"


@dataclass(frozen=True)
class Settings:
    """Folders of runs and releases, the broker to follow, and the password."""

    data_dir: str
    release_dir: str
    broker: str | None = None
    password: str | None = None

    def environment(self) -> dict[str, str]:
        """Return these settings as environment variables for a child process."""
        named = {DATA_DIR: self.data_dir, RELEASE_DIR: self.release_dir, BROKER: self.broker, PASSWORD: self.password}
        return {name: value for name, value in named.items() if value is not None}


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings that the parent process passed; RequestError if there are none."""
    if DATA_DIR not in environment or RELEASE_DIR not in environment:
        raise RequestError(f"{DATA_DIR} and {RELEASE_DIR} are not set; start this with `orchestrator dashboard`")
    return Settings(environment[DATA_DIR], environment[RELEASE_DIR], environment.get(BROKER), environment.get(PASSWORD))
