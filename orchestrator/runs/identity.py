"""The user's name, as a run and a release record it."""

import getpass
import os

USER_ENV = "GURUKUL_USER"


def account() -> str:
    """Return GURUKUL_USER, else the account that this process runs under. The name is not verified."""
    return os.environ.get(USER_ENV) or getpass.getuser()
