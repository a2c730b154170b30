"""What the fork server imports once, so that the process of a step starts within milliseconds."""
# ruff: noqa: F401 - the modules are imported for the steps, which import them when they run

import io

import cleanlab.filter
import cleanlab.rank
from matplotlib.figure import Figure

import ml.learning.report.run_note
import ml.learning.retrain.calibrate
import ml.learning.retrain.evaluate
import ml.learning.retrain.gate
import ml.learning.retrain.label_errors
import ml.learning.retrain.promote
import ml.learning.retrain.rejudge
import ml.learning.retrain.shadow
import ml.learning.retrain.train
import ml.learning.snapshot.snapshot
import ml.moderation.nightly.discover
import ml.moderation.nightly.preflight
import ml.moderation.nightly.reconcile
import ml.moderation.nightly.report
import ml.moderation.nightly.score_shard
import ml.moderation.nightly.write_back
import tests.chaos.child
import tests.chaos.workloads
from ml.core.s3_settings import S3Settings
from ml.storage.s3_client import s3_client

# The first client of a process reads the description of S3, which takes most of a short step.
_KEYS = {"s3_access_key": "x", "s3_secret_key": "x"}
s3_client(S3Settings.model_validate({"s3_endpoint_url": "http://127.0.0.1:9"} | _KEYS)).close()
Figure().subplots().figure.savefig(io.BytesIO())  # the first plot loads the fonts
