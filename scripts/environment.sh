# Sourced by serve and test, in the checkout: makes .venv, or brings it up to date, with nothing but Python there.

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3 python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    echo "keygenreg needs Python 3.11 or newer with its venv module; none is on PATH (PYTHON=... names another)." >&2
    return 1
}

# make_environment NAME REQUIREMENT: installs REQUIREMENT (. or .[test]) unless that was done for this very setup.py.
make_environment() {
    local stamp=".venv/installed-$1" wanted python
    wanted="$(cat setup.py pyproject.toml keygenreg/__init__.py | cksum) $PWD"
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    if ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then
        python="$(find_python)"
        echo "Making .venv with $python; this takes a minute." >&2
        "$python" -m venv --clear .venv >&2
    fi
    # Editable: the checkout is what runs, and twistd finds the plugin in it.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$2" >&2
    .venv/bin/python -m compileall -q keygenreg
    echo "$wanted" >"$stamp"
    # What tests need holds what serving needs.
    echo "$wanted" >.venv/installed-serve
}
