"""Put plugins/ on the path, as Airflow does."""

import sys

from ml.core.settings import ROOT

if str(ROOT / "plugins") not in sys.path:
    sys.path.append(str(ROOT / "plugins"))
