"""The moderation library: images, model, training, inference, policy, storage.

It never imports Airflow, so that it runs on a GPU machine, in a service and in tests as it is.
"""

import os

# OpenMP's threads (torch's forward pass) otherwise spin while they wait for each other, on cores
# that decoding and screens want: a nightly run with screens took 1.2 times the wall clock. Set
# before torch is loaded; a value in the environment takes precedence.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
