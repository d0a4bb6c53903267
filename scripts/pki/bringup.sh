# Read by the scripts beside it: finds the checkout's own program, else the installed one.
# shellcheck shell=sh

bringup_run() {
    checkout=$(dirname -- "$(readlink -f -- "$0")")/../..
    if [ -x "$checkout/.venv/bin/bringup" ]; then
        exec "$checkout/.venv/bin/bringup" "$@"
    fi
    if command -v bringup >/dev/null 2>&1; then
        exec bringup "$@"
    fi
    echo "${0##*/}: bringup is not installed: neither .venv in the checkout nor the PATH has it." >&2
    echo "  fix: $(readlink -f -- "$checkout")/scripts/setup" >&2
    exit 2
}
