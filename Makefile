# Everything here needs python3 with venv, and make; the rest is installed into $(VENV) on first use.
# Another Python or place: make test PYTHON=python3.13 VENV=.venv313
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
EXTRAS := $(VENV)/.installed-
PINS ?=
# worksteal: each worker takes consecutive tests, so that one worker makes the fixtures and loads the kernels of a
# file; a worker that has finished takes tests of another one. Compiled kernels lie in the user's cache, which all
# workers and later runs share: each is compiled once, and a worker waits for a kernel that another one compiles.
# Kernels of registered cells are not cached, so each process that uses such a cell compiles it.
PARALLEL ?= --numprocesses auto --dist worksteal
# To import all other files would take longer than these tests.
NOJIT_TESTS = $$(grep --recursive --files-with-matches --include='test_*.py' 'mark\.nojit' tests)
CUDA := cuda# or cuda12, for drivers older than 580

# Nothing here is built from source: numpy 1.26 has wheels for Python 3.11 and 3.12 only.
OLDEST_PYTHON ?= $(PYTHON)
OLDEST_PINS := --constraint tests/conformance/oldest.txt --constraint tests/conformance/oldest_extras.txt --only-binary numba,numpy,pandas,scikit-learn
ESTIMATOR_TESTS := tests/conformance $(wildcard \
	$(addprefix tests/estimators/test_,classifier.py encoder.py forecaster*.py regressor.py window_transformer.py))

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two pips must not write into one environment
.PHONY: help demo test slow nojit cudasim emulate gpu ptx conformance conform check wheel notebooks bench golden clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(EXTRAS)plot,progress  ## forecast real weather: demo/forecast.csv, demo/forecast.png
	$(VENV)/bin/seqcast demo --out demo --force

test: nojit cudasim  ## run the tests, first those that run uncompiled or in the simulator of a GPU
	$(PY) -m pytest $(PARALLEL) -m "not slow"

slow: $(EXTRAS)test,plot,progress,notebooks  ## run the tests marked slow: compilation, upgrades, notebooks
	$(PY) -m pytest $(PARALLEL) -m slow

nojit: $(EXTRAS)test,plot,progress,notebooks  ## run the tests marked nojit as plain Python, without compiling
	NUMBA_DISABLE_JIT=1 $(PY) -m pytest $(PARALLEL) -m nojit $(NOJIT_TESTS)

# Status 5: nothing was collected, as there is no numba-cuda for this system.
cudasim: $(EXTRAS)test,plot,progress,notebooks  ## run the tests of the CUDA kernels in a simulator, without a GPU
	NUMBA_ENABLE_CUDASIM=1 $(PY) -m pytest $(PARALLEL) tests/cuda || [ $$? -eq 5 ]

# Needs a C compiler, cc, too.
emulate: $(EXTRAS)test,$(CUDA)  ## run the tests of the CUDA kernels compiled, on the CPU, and check all they do, without a GPU
	SEQCAST_EMULATE=1 $(PY) -m pytest tests/cuda

gpu: $(EXTRAS)test,$(CUDA)  ## run the tests of the CUDA kernels on a GPU; driver older than 580: CUDA=cuda12
	SEQCAST_TEST_GPU=1 $(PY) -m pytest tests/cuda

ptx: $(EXTRAS)test,ptx  ## compile all CUDA kernels, without a GPU, and look at their machine code
	$(PY) -m benchmarks ptx

conformance:  ## check the estimators under the oldest versions (Python <= 3.12: OLDEST_PYTHON) and the newest
	@$(MAKE) --no-print-directory conform VENV=.venv-oldest PYTHON=$(OLDEST_PYTHON) PINS="$(OLDEST_PINS)"
	@$(MAKE) --no-print-directory conform VENV=.venv-newest

conform: $(EXTRAS)test
	SCIPY_ARRAY_API=1 $(PY) -m pytest $(ESTIMATOR_TESTS)

check: $(EXTRAS)dev  ## lint, formatting, docstrings, layers and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) tests/check_docstrings.py
	$(VENV)/bin/lint-imports --no-cache
	$(PY) -m mypy

wheel: $(EXTRAS)test  ## build the wheel with compiled kernels (Linux, needs cc), and test it in a fresh environment
	rm -rf dist build
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) SEQCAST_BUILD_KERNELS=1 $(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(PYTHON) -m venv build/venv
	build/venv/bin/python -m pip install --quiet dist/seqcast-*.whl
	cd build && SEQCAST_CACHE_DIR=empty-cache venv/bin/python ../tests/check_wheel.py

notebooks: $(EXTRAS)jupyter  ## run the notebooks' sources, and keep what they show
	$(PY) -m jupytext --quiet --to ipynb --update notebooks/*.py
	$(PY) -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

bench: $(EXTRAS)bench,data  ## measure seqcast against its peers; a part: make bench NAMES="one_row start"
	$(PY) -m benchmarks $(NAMES)

golden: $(EXTRAS)bench  ## make the golden files again, with PyTorch
	$(PY) tests/golden/make_golden.py

clean:  ## remove caches, builds and the demo's output, not the environment
	rm -rf build dist demo .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find benchmarks notebooks seqcast tests -name __pycache__ -prune -exec rm -rf {} +

# One stamp for each set of extras: a second run installs nothing, another set is added to the same
# environment. Editable, so that every target runs the sources as they are.
$(EXTRAS)%: pyproject.toml | $(VENV)/.created
	@echo "Installing seqcast[$*] into $(VENV): once, a minute or two"
	$(PY) -m pip install --quiet --disable-pip-version-check $(PINS) --editable ".[$*]"
	@touch $@

# A stamp, not bin/python: that one exists even where the venv module failed half-way.
$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	@touch $@
