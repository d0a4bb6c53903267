#!/bin/sh
# Renew what nears its end; made for a daily timer: see `renew_certs.sh --help` and docs/PKI.md.
. "$(dirname -- "$(readlink -f -- "$0")")/bringup.sh"
bringup_run pki renew "$@"
