# Part of scripts/release: the Debian packages that a host needs, with all that they depend on. It sources
# scripts/iso/debs.sh, whose apt knows Debian 12 and nothing of this host.

DEBIAN_PACKAGES=(python3 redis-server redis-tools openssl age ca-certificates)

choose_debs() { # those of an earlier list, or the newest: fills deb_of, version_of and sum_of
    mkdir -p "$cache/debs"
    if [ -n "$packages" ]; then
        from_manifest
        return
    fi
    open_archive
    # Its own status file is empty: so the answer names every dependency, whatever a host may have already.
    local names
    names=$(apt-get -qq install --no-install-recommends --print-uris "${DEBIAN_PACKAGES[@]}" | cut -d' ' -f2) ||
        fail "the archive does not have all packages; see above"
    mapfile -t names < <(sed 's/%3a/:/; s/_[^_]*\.deb$//; s/_/=/' <<<"$names")
    fetch "${names[@]}"
}

list_debs() { # in the format of the validation image's manifest: --packages reads it
    echo "# NAME VERSION SHA256"
    local name
    for name in "${!deb_of[@]}"; do echo "$name ${version_of[$name]} ${sum_of[$name]}"; done | LC_ALL=C sort
}

# Installed-Size, too: by it and by what a package needs apt knows that the version which is installed is this very one,
# and does not unpack it again.
index_debs() { # folder: writes what makes it an archive for apt. Source: https://wiki.debian.org/DebianRepository/Format
    local file
    for file in "$1"/*.deb; do
        dpkg-deb --field "$file" Package Version Architecture Installed-Size Depends Pre-Depends Conflicts Breaks \
            Replaces Provides Essential Multi-Arch
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${file##*/}" "$(stat -c %s "$file")" \
            "$(sha256sum <"$file" | cut -d' ' -f1)"
    done >"$1/Packages"
}
