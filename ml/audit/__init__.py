"""The steps of the nightly audit as plain functions; `dags/audit_review_images.py` wires them."""
