"""The audit bundle: recommendation, report, signed manifest, verification."""
