#!/bin/sh
# Check files, chains, profile, names, expiry and revocation: see `verify_mtls.sh --help` and docs/PKI.md.
# Exit status: 0 in order, 1 something is wrong, 2 usage or configuration, 3 could not run.
. "$(dirname -- "$(readlink -f -- "$0")")/bringup.sh"
bringup_run pki verify "$@"
