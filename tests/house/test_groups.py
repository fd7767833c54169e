"""What is made once per module is made in one process."""

import os

import pytest


@pytest.fixture(scope="module")
def shared() -> int:
    """Makes the test below one of a group."""
    return os.getpid()


def test_pytest_xdist_knows_the_groups(request: pytest.FixtureRequest, shared: int) -> None:
    """A test that shares a module's fixture is sent by pytest-xdist as one of its group: its id ends with the group."""
    (group,) = [mark.args[0] for mark in request.node.iter_markers("xdist_group")]
    assert group == "tests/house/test_groups.py" and shared == os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith(f"@{group}")
