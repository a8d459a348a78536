#!/usr/bin/env bash
# `generate`: the Python code of the events, from their definitions.
# `check`: that this code is current, and that the definitions still read what the baseline's writers wrote.
set -euo pipefail
cd "$(dirname "$0")/.."

PROTOC=(.venv/bin/python -m grpc_tools.protoc)

generate() {
    "${PROTOC[@]}" -I. --python_out="$1" --pyi_out="$1" events/v1/*.proto
}

check() {
    local scratch
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder is known now and gone later
    trap "rm -rf '$scratch'" EXIT
    generate "$scratch"
    for file in "$scratch"/events/v1/*; do
        cmp -s "$file" "${file#"$scratch"/}" || { echo "${file#"$scratch"/} is not current: run make events" >&2; exit 1; }
    done
    describe . "$scratch/now.binpb"
    describe events/baseline "$scratch/baseline.binpb"
    .venv/bin/buf breaking "$scratch/now.binpb" --against "$scratch/baseline.binpb" --config events/buf.yaml
    echo "events: current and compatible"
}

describe() {
    (cd "$1" && "$OLDPWD/.venv/bin/python" -m grpc_tools.protoc -I. --include_source_info \
        --descriptor_set_out="$2" events/v1/*.proto)
}

case "$1" in
    generate) generate . ;;
    check) check ;;
esac
