"""Put deploy/init on the path, as the deployment's scripts import each other by name."""

import sys

from ml.core.settings import ROOT

if str(ROOT / "deploy" / "init") not in sys.path:
    sys.path.append(str(ROOT / "deploy" / "init"))
