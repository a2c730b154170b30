"""The moderation library: images, model, training, inference, policy, storage.

It never imports Airflow, so that it runs on a GPU machine, in a service and in tests as it is.
"""

import os

# OpenMP's threads (torch's forward pass) otherwise spin while they wait for each other, on cores
# that decoding and screens want: a night with screens took 1.2 times the wall clock. To be said
# before torch is loaded; whoever starts the process may say otherwise.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
