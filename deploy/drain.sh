#!/usr/bin/env bash
# Takes this node out of its cluster, in so many seconds: `preStop` of a worker's pod, or before a machine is switched off.
# Nothing new is put here; Serve starts the replicas elsewhere, and lets those here finish or hand over what they hold.
set -euo pipefail

seconds=$1
ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION --reason-message "it is being switched off" \
    --deadline-remaining-seconds "$seconds"
while [ "$seconds" -gt 0 ] && pgrep -f '^ray::ServeReplica' >/dev/null; do
    sleep 1
    seconds=$((seconds - 1))
done
