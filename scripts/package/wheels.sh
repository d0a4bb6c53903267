# Part of scripts/release: the wheel of bringup, and those of uv.lock, for Debian 12 on x86-64.

# What Debian 12 has. Its 3.11.2 needs a package (async-timeout) that later ones do not.
PYTHON_VERSION=3.11.2 PLATFORM=x86_64-manylinux_2_36

make_wheel() { # source, folder for it
    (cd "$1" && "$UV" build --quiet --wheel --out-dir "$work/dist") && mv "$work/dist"/*.whl "$2/" || fail "the wheel cannot be built; see the messages above"
}

collect_wheels() { # source, the wheel of bringup, folder: leaves wheels and requirements.txt there
    local locked=$work/locked.txt wheel=$2 into=$3 tag tags=()
    (cd "$1" && "$UV" export --quiet --frozen --no-dev --no-emit-project --no-annotate --no-header) >"$locked"
    "$UV" pip compile --quiet --no-deps --generate-hashes --no-annotate --no-header --python-version "$PYTHON_VERSION" \
        --python-platform "$PLATFORM" "$locked" >"$into/requirements.txt"
    for tag in 2_36 2_34 2_28 2_17; do tags+=(--platform "manylinux_${tag}_x86_64"); done
    "$work/pip/bin/pip" download -qq --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
        --python-version 3.11 "${tags[@]}" --platform manylinux2014_x86_64 --dest "$into" \
        --requirement "$into/requirements.txt" || fail "the wheels of uv.lock cannot be downloaded; see the messages above"
    cp "$wheel" "$into/"
    printf 'bringup==%s --hash=sha256:%s\n' "$version" "$(sha256sum <"$wheel" | cut -d' ' -f1)" >>"$into/requirements.txt"
}
