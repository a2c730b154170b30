#!/bin/sh
# Create roles, databases, schemas, buckets, pool and accounts before all other services start.
# Every step is idempotent; an upgrade is another start.
set -eu
cd /opt/moderation
if [ "${BUNDLED_DATABASES:-true}" = true ]; then python deploy/init/create_storage.py databases; fi
airflow db migrate
python deploy/init/create_storage.py buckets
python -m ml migrate
if [ "${BUNDLED_SHOP:-true}" = true ]; then python deploy/init/create_storage.py reference-shop; fi
airflow pools set "${MODERATION_GPU_POOL:-gpu}" "${GPU_SLOTS:-1}" "scoring tasks at once"
python deploy/init/create_accounts.py
