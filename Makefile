# make run | up | install | test | lint | bench | rehearsal | clean. Needs Python 3.11 or newer, git and make; uv comes from PyPI when it is missing.
# make bench PARTS="rfm ingesta" runs some benchmarks.
UV := $(or $(shell command -v uv),.uv/bin/uv)
RUN := $(UV) run --no-sync
WORKERS ?= 3
PYTEST ?= pytest
# Where bytecode may not be written, every process of a run or a test would compile Airflow and dbt anew.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/.uv/bin:$(PATH)

.PHONY: run up install test lint bench rehearsal clean

run: install
	$(RUN) datavision run --build pipeline_suscripciones pipeline_fact_rfm

up: install
	$(RUN) datavision up

install: .uv-ready
	$(UV) sync --frozen --no-dev --inexact --quiet

test: .uv-ready
	$(UV) sync --frozen --quiet
	$(RUN) $(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 15 $(PYTEST_ARGS)

lint: .uv-ready
	$(UV) sync --frozen --quiet
	$(RUN) pre-commit run --all-files

bench: .uv-ready
	$(UV) sync --frozen --quiet
	$(RUN) python bench/run.py $(PARTS)

# Production on an empty account, from docs/infrastructure.md; needs root, and: podman runc skopeo mmdebstrap iproute2 iptables.
rehearsal: .uv-ready
	$(UV) sync --frozen --quiet
	$(RUN) pytest -m rehearsal tests/rehearsal --timeout 2400 --capture no $(PYTEST_ARGS)

clean: .uv-ready
	[ ! -x .venv/bin/datavision ] || $(RUN) datavision clean
	rm -rf .datavision .venv .uv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

.PHONY: .uv-ready
.uv-ready:
	@command -v $(UV) >/dev/null || { \
	  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed as python3."; exit 2; }; \
	  python3 -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check \
	    --require-hashes --only-binary :all: -r packages/runtime/image/uv.txt; }
