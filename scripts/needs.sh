# Sourced by the end-to-end scripts: the commands that one needs, and a network of its own.
# The script has set package_of (command -> Debian package) and defined log.

PATH=$PATH:/usr/sbin:/sbin

# Packages start their servers when they are installed, and some at every boot: not here. The policy that says "no" to
# the first is ours, and goes when they are installed.
need_packages() {
    local missing=() command
    for command in "${!package_of[@]}"; do
        command -v "$command" >/dev/null || missing+=("${package_of[$command]}")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        log "missing: ${missing[*]}"
        log "run:  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
        exit 2
    fi
    log "installing ${missing[*]}"
    _install "${missing[@]}" || { log "installing failed; see the messages above"; exit 2; }
}

_install() {
    local policy=/usr/sbin/policy-rc.d made='' status=0 package
    if [ ! -e "$policy" ]; then
        made=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -q update >/dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" >/dev/null ||
        status=$?
    [ -z "$made" ] || rm -f "$policy"
    for package in "$@"; do
        case $package in
        isc-dhcp-server | kea-dhcp4-server | redis-server | lldpd) systemctl disable --quiet "$package" 2>/dev/null || true ;;
        esac
    done
    return "$status"
}

need_namespaces() { # a kind of link that must be possible in one: the words of "ip link add NAME ..." or "ip tuntap ..."
    local probe=bringup-probe-$$
    if ! ip netns add "$probe" 2>/dev/null; then
        log "NOT RUN: this system does not permit network namespaces (ip netns add needs root and CAP_SYS_ADMIN)"
        exit 3
    fi
    if ! ip -n "$probe" "$@" 2>/dev/null; then
        ip netns del "$probe"
        log "NOT RUN: this system does not permit \"ip $*\" in a network namespace"
        exit 3
    fi
    ip netns del "$probe"
}
