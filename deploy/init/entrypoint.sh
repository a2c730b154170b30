#!/bin/sh
# Stop if a secret is missing or guessable; else run the command.
set -eu
python /opt/moderation/deploy/init/check_secrets.py
exec "$@"
