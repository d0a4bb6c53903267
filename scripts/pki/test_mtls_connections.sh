#!/bin/sh
# Prove what is really in force between us, Redis and the API: see `test_mtls_connections.sh --help`, docs/selftest.md.
# Runs from any directory; .env and PKI_DIR count from the directory it is called in.
. "$(dirname -- "$(readlink -f -- "$0")")/bringup.sh"
bringup_run selftest "$@"
