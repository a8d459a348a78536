#!/usr/bin/env bash
# Checks what is in deploy/ by tools that have an environment of their own, since checkov pins half of it. Terraform's own
# check runs where it is installed; `TF_CLI_ARGS_init=-plugin-dir=…` gives it a provider without a network.
set -euo pipefail
cd "$(dirname "$0")/.."

TOOLS=build/deploy

main() {
    install
    "$TOOLS/bin/yamllint" --strict -c deploy/yamllint.yaml deploy cluster.yaml configs
    "$TOOLS/bin/kubernetes-validate" --strict --quiet deploy/kubernetes/surroundings.yaml
    "$TOOLS/bin/hadolint" deploy/Dockerfile
    "$TOOLS/bin/checkov" --directory deploy --framework terraform kubernetes dockerfile --quiet --compact --skip-download
    if command -v terraform >/dev/null; then terraform_check; else echo "deploy: terraform is not installed" >&2; fi
    echo "deploy: no findings"
}

install() {
    if cmp -s requirements/deploy.txt "$TOOLS/requirements.stamp"; then return; fi
    python3 -m venv "$TOOLS"
    "$TOOLS/bin/pip" install --quiet --requirement requirements/deploy.txt
    cp requirements/deploy.txt "$TOOLS/requirements.stamp"
}

terraform_check() {
    terraform fmt -check -recursive deploy/terraform
    local scratch
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder is known now and gone later
    trap "rm -rf '$scratch'" EXIT
    cp deploy/terraform/*.tf "$scratch"
    terraform -chdir="$scratch" init -backend=false -input=false >/dev/null
    terraform -chdir="$scratch" validate
}

main
