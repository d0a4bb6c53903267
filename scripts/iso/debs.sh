# Part of scripts/iso/build: which packages, from where, and what is in them. It leaves the host's own apt alone.

declare -A deb_of version_of sum_of # by the package's name: file in the cache, version, SHA-256

need_host() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        log "the image is built on Linux on x86-64 only, and this is $(uname -sm)" && exit 2
    fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        log "apt-get and dpkg-deb are missing: build on Debian or Ubuntu, or in a container of debian:12" && exit 2
    fi
    [ ! -e "$keyring" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        log "the keys of Debian's archive are missing"
        log "run:  sudo apt-get update && sudo apt-get install -y debian-archive-keyring" && exit 2
    fi
    log "installing debian-archive-keyring (the keys of Debian's archive are missing)"
    apt-get -qq update && apt-get -qq install -y debian-archive-keyring >/dev/null ||
        { log "installing failed; see the messages above" && exit 2; }
}

choose_packages() { # those of the manifest, or the newest
    mkdir -p "$cache/debs"
    if [ -n "$packages" ]; then
        from_manifest
    else
        open_archive
        [ -n "$kernel" ] || kernel=$(newest_kernel)
        local names
        mapfile -t names < <(grep -v '^\(#.*\)\?$' scripts/iso/packages)
        fetch "linux-image-$kernel" "${names[@]}"
    fi
}

from_manifest() { # what the cache does not hold is asked of the archive
    local name version sum missing=()
    while read -r name version sum; do
        [ "$name" != '#' ] || continue
        keep "$name" "$version" "$sum" "$(find_deb "$name" "$version")" || missing+=("$name=$version")
    done <"$packages"
    [ "${#missing[@]}" -eq 0 ] || { open_archive && fetch "${missing[@]}"; }
    while read -r name version sum; do
        [ "$name" = '#' ] || [ "${sum_of[$name]:-}" = "$sum" ] || fail "$name $version is not the one of $packages"
    done <"$packages"
}

find_deb() { find "$cache/debs" -name "$1_${2//:/%3a}_*.deb" -print -quit; }

keep() { # name, version, sum, file: whether the file is what it should be
    [ -f "$4" ] && [ "$(sha256sum <"$4" | cut -d' ' -f1)" = "$3" ] || return 1
    deb_of[$1]=$4 version_of[$1]=$2 sum_of[$1]=$3
}

open_archive() { # an apt of our own, which knows Debian 12 and nothing of this host but its proxy
    local apt=$cache/apt signed='[arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/nothing"
    : >"$apt/status"
    printf "deb $signed %s main\n" "$mirror bookworm" "$mirror bookworm-updates" "$security bookworm-security" \
        >"$apt/sources.list"
    cat >"$apt/apt.conf" <<-END
		APT::Architecture "amd64"; APT::Architectures { "amd64"; }; APT::Default-Release ""; APT::Sandbox::User "";
		Acquire::Languages "none"; Acquire::Retries "3"; Acquire::Check-Valid-Until "false";
		Dir::State "$apt"; Dir::State::lists "$apt/lists"; Dir::State::status "$apt/status"; Dir::Cache "$apt";
		Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "$apt/nothing";
		Dir::Etc::preferences "$apt/nothing/none"; Dir::Etc::preferencesparts "$apt/nothing";
	END
    export APT_CONFIG=$apt/apt.conf
    log "reading the package lists of $mirror"
    apt-get -qq --error-on=any update || fail "$mirror or $security cannot be read; see the messages above.
     Behind a proxy, set http_proxy; with a mirror of your own, use --mirror and --security-mirror.
     Without any network, --packages MANIFEST builds what an earlier image was made of, from the cache"
}

newest_kernel() {
    apt-cache --no-all-versions show linux-image-amd64 | sed -n 's/^Depends: linux-image-\([^ ,]*\).*/\1/p'
}

fetch() { # names, or name=version: downloads what the cache does not hold, checked by apt
    local lines url file sum name version wanted=()
    lines=$(apt-get -qq download --print-uris "$@") || fail "the archive does not have all packages; see above"
    while read -r url file _ sum; do
        name=${file%%_*} version=$(cut -d_ -f2 <<<"${file//%3a/:}")
        keep "$name" "$version" "${sum#SHA256:}" "$cache/debs/$file" || wanted+=("$name=$version")
    done <<<"$lines"
    [ "${#wanted[@]}" -gt 0 ] || return 0
    log "downloading ${#wanted[@]} packages into $cache"
    (cd "$cache/debs" && apt-get -qq download "${wanted[@]}") || fail "downloading failed; see the messages above"
    while read -r url file _ sum; do
        name=${file%%_*} version=$(cut -d_ -f2 <<<"${file//%3a/:}")
        keep "$name" "$version" "${sum#SHA256:}" "$cache/debs/$file" || fail "$file was damaged on its way: try again"
    done <<<"$lines"
}

unpack() { # all chosen packages into one folder, laid out as Debian 12 is: /bin is /usr/bin
    local name
    for name in bin sbin lib lib64; do mkdir -p "$1/usr/$name" && ln -s "usr/$name" "$1/$name"; done
    log "unpacking ${#deb_of[@]} packages"
    for name in $(printf '%s\n' "${!deb_of[@]}" | LC_ALL=C sort); do
        dpkg-deb --fsys-tarfile "${deb_of[$name]}" |
            tar -x --keep-directory-symlink --no-same-owner --no-same-permissions -C "$1" || return 1
    done
}
