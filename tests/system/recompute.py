"""Recompute a run's stored probabilities from its stored models and bars; prints how many windows agree to the bit.

Run as a process of its own: python recompute.py DATA_DIR RUN_ID
"""

import sys

import numpy as np
import pyarrow.parquet as pq
from scipy.special import expit

from schemas.contract.artifact import StudentMetadata
from schemas.contract.task import Role, Status
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.run_files import read_manifest, read_model, read_rows
from workers.artifacts.reader import read_teacher
from workers.bars.store import load
from workers.learning.history import prepare
from workers.models.stored_student import read_student

data_dir, run_id = sys.argv[1:]
layout = RunLayout.under(data_dir, run_id)
manifest = read_manifest(layout)
assert manifest.bars is not None
digests = {symbol: row.sha256 for symbol, row in manifest.bars.symbols.items()}
settings = manifest.config.training()
agreed = 0
for row in read_rows(layout, Role.STUDENT):
    if row.status is not Status.SUCCESS:
        continue
    bars = load(BarsLayout.under(data_dir, settings.interval).bars(row.symbol), digests[row.symbol])
    features = prepare(bars, settings).features
    folder = layout.artifact(row.window_label, Role.STUDENT)
    metadata = read_model(folder / "metadata.json", StudentMetadata)
    stored = pq.read_table(folder / "predictions.parquet")
    bar = np.searchsorted(bars.timestamp, np.asarray(stored["timestamp"].cast("int64")))
    teacher = read_teacher(layout.artifact(row.window_label, Role.TEACHER))
    student = read_student(folder, metadata.sha256)
    found = expit(student.offset(row.symbol) + student.margin(features[bar]))
    if not np.array_equal(found, np.asarray(stored["student"])):
        sys.exit(f"student of {row.window_label} differs")
    found = expit(teacher.offsets[row.symbol] + teacher.model.margin(features[bar]))
    if not np.array_equal(found, np.asarray(stored["teacher"])):
        sys.exit(f"teacher of {row.window_label} differs")
    agreed += 1
print(agreed)
