"""Settings of the release commands."""

from typing import Annotated

from pydantic import Field

from schemas.config.folders import beside_data
from schemas.contract.base import Frozen


class ReleaseConfig(Frozen):
    """Settings that the release commands share: folders, and rules for approval and deployment."""

    data_dir: str = Field("data", description="Folder of bars, models and telemetry.")
    release_dir: str = Field(
        default_factory=beside_data("release"),
        description="Folder of audit bundles and releases; if omitted: release, beside DATA_DIR.",
    )
    signing_key: str | None = Field(
        None, description="PEM file of an Ed25519 private key, PKCS8, unencrypted, to sign the release with."
    )
    require_other_approver: bool = Field(
        False, description="Refuse an approval if --by is the recorded trainer of the run."
    )
    min_staging_hours: Annotated[float, Field(ge=0)] = Field(
        24.0, description="Consecutive hours that a release must be live in staging before production."
    )
