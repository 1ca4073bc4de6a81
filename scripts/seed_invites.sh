#!/usr/bin/env bash
# Creates invite codes for a campaign: `flask authsvc invites seed` with this checkout's settings.
#
# usage: scripts/seed_invites.sh --batch NAME --count N [options]      scripts/seed_invites.sh --help says more
#
#   scripts/seed_invites.sh --batch spring --count 10000 --uses 1 --expires 2027-03-31
#
# Interrupted? Repeat the same command to continue. Uses Python of the active virtual environment, or of .venv;
# settings come from the environment, then from .env in the checkout.
set -euo pipefail
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

if (($# == 0)); then
    sed -n '2,9s/^# \{0,1\}//p' scripts/seed_invites.sh >&2
    exit 2
fi
python=${VIRTUAL_ENV:-$PWD/.venv}/bin/python
if [[ ! -x $python ]]; then
    printf 'authsvc: there is no Python at %s. To make it: scripts/setup run\n' "$python" >&2
    exit 1
fi
# exec: only one process gets Ctrl-C, and its exit code is the script's.
exec "$python" -m flask --app wsgi authsvc invites seed "$@"
