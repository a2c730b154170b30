"""Airflow puts the plugins' folder on the path; so does this."""

import sys

from ml.core.settings import ROOT

if str(ROOT / "plugins") not in sys.path:
    sys.path.append(str(ROOT / "plugins"))
