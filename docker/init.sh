#!/bin/sh
# Before anything else starts: roles, databases, schemas, buckets, pools, accounts. Safe to run again:
# each step does nothing where it has been done, so that an upgrade is one more start.
set -eu
cd /opt/moderation
if [ "${BUNDLED_DATABASES:-true}" = true ]; then python docker/databases.py create; fi
airflow db migrate
python docker/buckets.py
python -m ml migrate
if [ "${BUNDLED_SHOP:-true}" = true ]; then python docker/databases.py reference-shop; fi
airflow pools set "${MODERATION_JUDGE_POOL:-gpu}" "${JUDGE_SLOTS:-1}" "judging tasks at once"
python docker/accounts.py
