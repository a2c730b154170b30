#!/bin/sh
# Refuses to start with missing or guessable secrets; then becomes the command.
set -eu
python /opt/moderation/docker/check_secrets.py
exec "$@"
