# Part of scripts/release: the package bringup-VERSION, a Python environment with the wheels of uv.lock in
# /usr/lib/bringup/VERSION. Its name has the version, so that two versions can be installed beside each other, as those
# of the kernel: an upgrade goes from one to the other, and back, and no running service loses a file.

make_deb() { # source, wheels, SBOM, the file to make
    local source=$1 wheels=$2 sbom=$3 root=$work/deb
    local home=$root/usr/lib/bringup/$version doc=$root/usr/share/doc/bringup-$version
    local site=$home/lib/python3.11/site-packages
    local file
    mkdir -p "$home/bin" "$site" "$doc/examples" "$root/DEBIAN"

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
    for file in scripts/package/bringup deploy/containers/healthcheck; do
        sed "1s|/usr/lib/bringup/|&$version/|" "$source/$file" >"$home/bin/${file##*/}"
        chmod 755 "$home/bin/${file##*/}"
    done

    cp "$source/LICENSE" "$doc/copyright"
    cp "$source/devices.example.toml" "$doc/examples/"
    cp "$sbom" "$doc/"
    gzip -9n <"$source/CHANGELOG.md" >"$doc/changelog.gz"
    for file in control postinst prerm; do
        sed "s/@VERSION@/$version/g; s/@SIZE@/$(du -sk --apparent-size "$root/usr" | cut -f1)/" \
            "$source/scripts/package/debian/$file" >"$root/DEBIAN/$file"
    done
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

    chmod -R u=rwX,go=rX "$root"
    chmod 755 "$root"/DEBIAN/{postinst,prerm}
    find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    # gzip: a tenth larger than xz, and made in seconds; xz would need one thread, for its output depends on their number.
    dpkg-deb --root-owner-group -Zgzip --build "$root" "$4" >/dev/null
}
