"""`orchestrator verify --bundle`: a bundle that was copied away from its run."""

import json
from pathlib import Path

import pytest

from orchestrator.audit.signed_manifest import seal
from schemas.files.atomic import sha256_of
from tests.conftest import command
from tests.orchestrator.audit.test_signed_manifest import write_key


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A signed bundle, without a run."""
    folder = tmp_path / "audit_nightly"
    folder.mkdir()
    (folder / "summary.md").write_text("hold\n")
    seal(folder, {"release_id": "nightly"}, str(write_key(tmp_path / "key.pem")))
    return folder


def test_a_bundle_is_checked_without_its_run(bundle: Path) -> None:
    """Its digests and its signature; with one changed byte exit code 3 and the name of the file."""
    flags = ("verify", "--bundle", bundle.name, "--public-key", "key.pub")
    done = command(*flags, cwd=bundle.parent)
    assert done.returncode == 0 and "the key you gave: all as recorded" in done.stdout
    (bundle / "summary.md").write_text("promote\n")
    changed = command(*flags, "--json", cwd=bundle.parent)
    assert changed.returncode == 3
    assert json.loads(changed.stdout)["broken"] == [
        f"{bundle.name}/summary.md differs from what manifest.json recorded"
    ]


def test_an_unsigned_bundle_has_a_digest_to_compare(bundle: Path) -> None:
    """Files and manifest can be written again together: only the manifest's digest, sent another way, shows that."""
    seal(bundle, {"release_id": "nightly"}, None)
    shown = command("verify", "--bundle", bundle.name, cwd=bundle.parent).stdout
    assert sha256_of(bundle / "manifest.json") in shown and "compare its SHA-256 with the sender's" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bundle", "nowhere"), "is not a folder"),
        (("--bundle", "key.pub"), "unpack it"),
        (("nightly", "--bundle", "audit_nightly"), "give either the run"),
        (("audit_nightly",), "`orchestrator verify --bundle audit_nightly`"),
    ],
)
def test_a_wrong_choice_is_one_line(bundle: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2."""
    refused = command("verify", *arguments, cwd=bundle.parent)
    assert refused.returncode == 2 and words in refused.stderr
