"""Label snapshots: splits, golden set, lineage."""
