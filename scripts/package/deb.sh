# Part of scripts/release: bringup_VERSION_amd64.deb, a Python environment with the wheels of uv.lock in /usr/lib/bringup.

make_deb() { # source, wheels, SBOM, the file to make
    local source=$1 wheels=$2 sbom=$3 root=$work/deb
    local home=$root/usr/lib/bringup doc=$root/usr/share/doc/bringup
    local site=$home/lib/python3.11/site-packages
    mkdir -p "$home/bin" "$site" "$doc/examples" "$root/usr/bin" "$root/DEBIAN"

    "$UV" pip install --quiet --offline --no-index --find-links "$wheels" --no-deps --require-hashes --link-mode copy \
        --python-version "$PYTHON_VERSION" --python-platform "$PLATFORM" --target "$site" \
        --requirement "$wheels/requirements.txt" || fail "the wheels cannot be installed into the package"
    rm -rf "$site/bin" "$site/.lock"
    # When uv has seen each wheel: nothing of the package, and another time in each build.
    find "$site" -name uv_cache.json -delete
    sed -i '/\/uv_cache\.json,/d' "$site"/*.dist-info/RECORD
    # Source: the venv layout of PEP 405
    printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$PYTHON_VERSION" >"$home/pyvenv.cfg"
    ln -s /usr/bin/python3.11 "$home/bin/python3"
    install -m 755 "$source/scripts/package/bringup" "$source/deploy/containers/healthcheck" "$home/bin/"
    ln -s ../lib/bringup/bin/bringup "$root/usr/bin/bringup"

    cp "$source/LICENSE" "$doc/copyright"
    cp "$source/devices.example.toml" "$doc/examples/"
    cp "$sbom" "$doc/"
    gzip -9n <"$source/CHANGELOG.md" >"$doc/changelog.gz"
    install -m 755 "$source"/scripts/package/debian/{postinst,prerm} "$root/DEBIAN/"
    sed "s/@VERSION@/$version/; s/@SIZE@/$(du -sk --apparent-size "$root/usr" | cut -f1)/" \
        "$source/scripts/package/debian/control" >"$root/DEBIAN/control"
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

    chmod -R u=rwX,go=rX "$root"
    find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    # gzip: a tenth larger than xz, and made in seconds; xz would need one thread, for its output depends on their number.
    dpkg-deb --root-owner-group -Zgzip --build "$root" "$4" >/dev/null
}
