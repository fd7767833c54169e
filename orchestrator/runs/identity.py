"""Who is at the keyboard: the name that a run and a release record."""

import getpass
import os

USER_ENV = "GURUKUL_USER"


def account() -> str:
    """GURUKUL_USER, else the account that this process runs under; a claim, not a proof."""
    return os.environ.get(USER_ENV) or getpass.getuser()
