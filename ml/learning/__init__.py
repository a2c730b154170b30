"""From labels to the next champion."""
