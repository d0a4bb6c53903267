#!/bin/sh
# Make the CA and the certificates for Redis, the workers and the API: see `setup_pki.sh --help` and docs/PKI.md.
# Runs from any directory; PKI_DIR and .env count from the directory it is called in.
. "$(dirname -- "$(readlink -f -- "$0")")/bringup.sh"
bringup_run pki setup "$@"
