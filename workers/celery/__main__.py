"""`python -P -m workers.celery DEVICE --loglevel LEVEL`: the Celery worker process of one device.

The application object is started directly. The `celery` command would look for it, and for a configuration, in the
working folder.
"""

import argparse
import os
import sys

from schemas.terminal.program import UNUSED
from schemas.terminal.quick_import import quick_import

with quick_import(*UNUSED):
    from schemas.contract.device import Device
    from workers.celery.app import app
    from workers.devices.failed_starts import reporting
    from workers.devices.pinning import current_device


def main() -> None:
    """Serve the queue of the device that the environment pins, until a signal ends it."""
    parser = argparse.ArgumentParser(prog="workers.celery")
    parser.add_argument("device", help="for people who list processes; the environment decides")
    parser.add_argument("--loglevel", default="INFO")
    arguments = parser.parse_args()
    with reporting():
        sys.exit(serve(current_device(), arguments.loglevel.upper()))


def serve(device: Device, level: str) -> int:
    """Run the worker; returns its exit code."""
    worker = app.Worker(
        hostname=device.name,
        queues=[device.name],
        concurrency=device.slots,
        without_gossip=True,
        without_mingle=True,
        loglevel=level,
        quiet=True,
    )
    worker.start()
    return worker.exitcode or os.EX_OK


if __name__ == "__main__":
    main()
