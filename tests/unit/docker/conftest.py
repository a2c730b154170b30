"""The deployment's scripts import each other by name, as they do where they run."""

import sys

from ml.settings import ROOT

if str(ROOT / "docker") not in sys.path:
    sys.path.append(str(ROOT / "docker"))
