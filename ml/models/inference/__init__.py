"""Backends: the computation of a version's logits, behind one protocol.

OpenVINO is imported here alone, and by nobody before.
"""

import sys

# Its import, and NNCF's, would send usage data to a server of its vendor. A package that cannot be
# imported is replaced by a stub.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # Python's way to hide it
