#!/usr/bin/env bash
# Makes .venv from a pinned requirement set, and adds what the system lacks. Does nothing when nothing has changed.
# `peers`: makes build/peers/.venv, with what some benchmarks compare with.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=3.11
STAMP=.venv/requirements.stamp

main() {
    system_packages
    local set=cpu
    # A driver that answers, not just a library: laptops have the latter without the former.
    if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then set=gpu; fi
    local fingerprint
    fingerprint="$set $(cat "requirements/$set.txt" pyproject.toml setup/environment.sh | sha256sum)"
    if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$fingerprint" ]; then return; fi
    echo "setup: .venv from requirements/$set.txt"
    install "$set"
    echo "$fingerprint" >"$STAMP"
}

install() {
    local uv source=()
    uv=$(find_uv)
    if [ -n "${PIP_FIND_LINKS:-}" ]; then
        read -r -a links <<<"$PIP_FIND_LINKS"
        source=("${links[@]/#/--find-links=}")
    elif [ "$1" = cpu ]; then
        source=(--torch-backend=cpu) # uv knows PyTorch's own index
    fi
    [ -x .venv/bin/python ] || "$uv" venv --quiet --python "$PYTHON" .venv
    # `sync` takes the list as it stands; `install` would resolve it again, without the overrides.
    "$uv" pip sync --python .venv/bin/python ${source[@]+"${source[@]}"} "requirements/$1.txt"
    "$uv" pip install --quiet --python .venv/bin/python --no-deps --editable .
}

peers() {
    local uv stamp=build/peers/requirements.stamp fingerprint
    fingerprint=$(cat requirements/peers.txt setup/environment.sh | sha256sum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fingerprint" ]; then return; fi
    echo "setup: build/peers/.venv from requirements/peers.txt"
    uv=$(find_uv)
    [ -x build/peers/.venv/bin/python ] || "$uv" venv --quiet --python "$PYTHON" build/peers/.venv
    "$uv" pip sync --quiet --python build/peers/.venv/bin/python requirements/peers.txt
    echo "$fingerprint" >"$stamp"
}

find_uv() {
    if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then
        echo uv
        return
    fi
    if [ ! -x build/uv/bin/uv ]; then
        echo "setup: uv is not installed, so it goes into build/uv" >&2
        python3 -m venv build/uv >&2
        build/uv/bin/pip install --quiet uv >&2
    fi
    echo build/uv/bin/uv
}

system_packages() {
    local missing=()
    [[ $(ldconfig -p 2>/dev/null) == *libnuma.so.1* ]] || missing+=(libnuma1) # vLLM's CPU build links to it
    command -v redis-server >/dev/null || missing+=(redis-server)           # the peer of `make bench-pipeline`
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql) # the tests start one
    command -v uv >/dev/null || python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: system packages ${missing[*]}"
        case " ${missing[*]} " in *" postgresql "*) no_postgres_of_its_own ;; esac
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}"
    else
        echo "setup: please install ${missing[*]} (as root on Debian this would be done here)" >&2
    fi
}

# Debian's package would make a cluster and start it; a setting that is there already stays.
no_postgres_of_its_own() {
    local file=/etc/postgresql-common/createcluster.conf
    [ -e "$file" ] && return
    mkdir -p "$(dirname "$file")"
    echo "create_main_cluster = false" >"$file"
}

"${1:-main}"
