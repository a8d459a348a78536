# `make help` lists what there is. Every target makes the environment first; that is quick when nothing has changed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
CONFIG ?= configs/event-driven.yaml
PORT ?= 8000
DATA ?= .heliograph
SEEDS ?= 1000
CELLS ?= all
FROM ?= 0
JOBS ?= $(shell nproc)
ALONE := $(addprefix tests/,contract unit)
PATIENT := $(addprefix tests/,simulation property model contract/test_continuation.py contract/test_vllm_parsers.py) # no clock hurries them
unexport PYTHONDONTWRITEBYTECODE # each of a server's twenty processes would compile all that it imports

.PHONY: help setup demo serve test test-served test-patient acceptance long simulate fault continuation upgrade ray-up check check-deploy format events requirements bench-pipeline bench-engine bench-start bench-memory bench-backlog bench-flat bench-retention bench-streams bench-retrieval bench-batch bench-bulk bench-peers bench-autoscaling bench-shards bench-topologies

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv from the pinned requirements, and install missing system packages where that is possible
	@setup/environment.sh

demo: setup ## One real job from submit to result, and a question, on a local Ray
	@$(BIN)/python -m heliograph.demo

serve: setup ## Serve CONFIG on PORT, with the data in DATA
	@$(BIN)/heliograph serve --config $(CONFIG) --port $(PORT) --data $(DATA)

test: setup ## Run all tests: first what shares no server, a few at a time, then the rest and, in its idle moments, the patient
	@$(BIN)/pytest --durations=20 --numprocesses $(JOBS) --dist loadfile $(addprefix --ignore=,$(PATIENT)) $(ALONE)
	@$(MAKE) --no-print-directory --jobs=2 test-served test-patient

test-served:
	@$(BIN)/pytest --durations=20 $(addprefix --ignore=,$(ALONE) $(PATIENT))

test-patient:
	@told=$$(nice -n 19 $(BIN)/pytest --durations=20 --timeout=1200 $(PATIENT) 2>&1); passed=$$?; echo "$$told"; exit $$passed

acceptance: setup ## The acceptance tests on every ingress, with the strict and the lenient client
	@$(BIN)/pytest tests/acceptance --long

long: setup ## The tests for which `make test` has no time: other ways to ask the same, deaths of vLLM's engine, guidance
	@$(BIN)/pytest --long -m long

simulate: setup ## SEEDS simulated histories full of faults, from seed FROM on, and the planted bugs
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --from $(FROM) --jobs $(JOBS)

fault: setup ## Kill every process with 200 jobs in flight; CELLS=smoke is the ten most telling minutes of it
	@$(BIN)/python -m tests.fault.matrix --cells "$(CELLS)"

continuation: setup ## Kill vLLM's engine at every tenth token of a real stream, and compare with the undisturbed run
	@$(BIN)/python -m tests.fault.continuation

upgrade: setup ## Jobs that the code of commit FROM accepted, on the new schema and through a change to this code
	@$(BIN)/python -m tests.upgrade $(if $(filter 0,$(FROM)),HEAD~1,$(FROM))

ray-up: setup ## A cluster by `ray up` on namespaces of this machine, as root: jobs complete on it, a worker is drained, `ray down`
	@$(BIN)/python -m tests.cluster

check: setup ## Lint, format, types, import directions, schemas
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@setup/events.sh check

check-deploy: ## Lint and validate what is in deploy/, with tools in an environment of their own
	@setup/check_deploy.sh

format: setup ## Put the code into its format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

events: setup ## Generate the code of the events from their definitions
	@setup/events.sh generate

requirements: setup ## Pin the requirement sets again, from pyproject.toml
	@setup/requirements.sh

bench-pipeline: setup ## Jobs per second, beside Ray Serve's asynchronous inference and a constant endpoint
	@$(BIN)/python -m benchmarks.pipeline

bench-engine: setup ## Tokens per second and time to the first token, beside vLLM driven directly
	@$(BIN)/python -m benchmarks.engine

bench-start: setup ## Time from start to ready, beside vLLM driven directly
	@$(BIN)/python -m benchmarks.start

bench-memory: setup ## Memory of the journal and the queues over 10 000 jobs, and the sizes of events and tickets
	@$(BIN)/python -m benchmarks.memory

bench-backlog: setup ## A million waiting jobs: rates of submitting, memory, start of an urgent job, restart; SQLite and Postgres
	@$(BIN)/python -m benchmarks.backlog

bench-flat: setup ## What a job costs a journal that has a million jobs, beside one that has a thousand
	@$(BIN)/python -m benchmarks.flat

bench-retention: setup ## Submits per second while 100 000 finished jobs are removed, beside the same without
	@$(BIN)/python -m benchmarks.retention

bench-batch: setup ## A batch of 50 000 lines: until it is accepted, lines per second, memory
	@$(BIN)/python -m benchmarks.batch

bench-autoscaling: setup ## Time to drain, replica-seconds and lost work, beside Serve's two policies: simulated, and on Ray
	@$(BIN)/python -m benchmarks.autoscaling

bench-shards: setup ## Jobs per second through the journals alone, of one shard and of two, and what a model says of them
	@$(BIN)/python -m benchmarks.shards

bench-streams: setup ## Durable streams: chunks, events, a thousand readers, first tokens and rates beside ray.serve.llm
	@$(BIN)/python -m benchmarks.streams

bench-retrieval: setup ## Hybrid search and reranking against vectors and words alone, and chunks indexed per second
	@$(BIN)/python -m benchmarks.retrieval

bench-bulk: setup ## Jobs that come by the thousand: accepted and finished per second
	@$(BIN)/python -m benchmarks.bulk

bench-peers: setup ## Three durable steps, beside DBOS, Procrastinate, Celery, Dramatiq and Temporal
	@setup/environment.sh peers
	@$(BIN)/python -m benchmarks.peers_table

bench-topologies: setup ## The three wirings on the same machine and load; writes the figures of docs/topologies.md
	@setup/environment.sh peers
	@$(BIN)/python -m benchmarks.topologies --write
