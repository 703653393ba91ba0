# Everything runs in .venv, which `make setup` builds from constraints.txt; no Debian package is needed.
# PYTHON=... chooses another interpreter (3.11 to 3.14). TORCH_INDEX=ADDRESS takes torch from that package index: where
# there is no GPU, the one for CPUs, which PyTorch's install page shows. CUDA=1 installs the CUDA build without a GPU.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
WORLD ?= vizdoom-rooms
EPISODES ?= 500
TORCH := torch==2.13.0 $(if $(TORCH_INDEX),--no-deps --index-url $(TORCH_INDEX))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: docs setup demo test test-all test-slow check quick bench figures planning comparisons data data-all worlds bench-data faults clean

setup: .venv/.installed

# torch goes first and is pinned by the constraint in every step. What pip would fetch is looked at before it is fetched:
# the public index has the CUDA build of several GB. An older egg-info beside the sources would hide new entry points.
.venv/.installed: pyproject.toml constraints.txt requirements-no-deps.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 with venv is needed; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	CUDA=$(CUDA) $(BIN)/python tools/before_install.py --constraint constraints.txt $(TORCH)
	$(PIP) $(TORCH)
	$(PIP) --no-deps -r requirements-no-deps.txt
	rm -rf src/*.egg-info
	$(PIP) -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/slowfast demo --out demo

# Two processes of one thread each; a file's tests stay together, for what they share.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: setup
	$(PYTEST) -m "not slow"

# All of them, those marked slow and those that compare with other programs too. No test may be skipped but for want of
# a GPU, a mount or another interpreter.
test-all: setup .venv/.compared .venv-lerobot/.installed
	$(PYTEST) --no-skips

# What is left of test-all after `make test`.
test-slow: setup .venv/.compared .venv-lerobot/.installed
	$(PYTEST) --no-skips -m "slow or compared"

# Programs that tests compare ours with, where they are installed.
.venv/.compared: .venv/.installed requirements-compared.txt
	$(PIP) -r requirements-compared.txt
	touch $@

# lerobot does not go with our torch as pip sees it, so it gets an environment of its own, over the packages of .venv.
.venv-lerobot/.installed: .venv/.installed requirements-lerobot.txt
	$(BIN)/python -m venv .venv-lerobot
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$(.venv-lerobot/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/over.pth"
	.venv-lerobot/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-lerobot.txt
	touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site of docs/ with the API from docstrings, in build/site; links and anchors that lead nowhere end it.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# Every measure and its page, on 4 episodes: does it run? A few minutes; the figures mean nothing.
quick: setup
	$(BIN)/slowfast evaluate --suite quick --json build/quick/quick.json
	$(BIN)/slowfast evaluate report build/quick/quick.json --out build/quick/report

bench: setup
	$(BIN)/slowfast bench --json results/bench.json

# Everything that the README shows: some two hours. Each line goes on where it was stopped.
figures: bench
	$(BIN)/slowfast evaluate words --json results/words.json
	$(BIN)/slowfast evaluate dreams --json results/dreams.json --contact-sheet docs/images/dreams.png
	$(BIN)/slowfast evaluate smoke --json results/smoke.json --contact-sheet docs/images/smoke.png
	$(BIN)/slowfast evaluate consistency --json results/consistency.json
	$(BIN)/slowfast evaluate recall --json results/recall.json --contact-sheet docs/images/recall.png
	$(BIN)/slowfast evaluate capacity --json results/capacity.json
	$(BIN)/slowfast demo --out demo --gif docs/images/demo.gif
	cp demo/start.png docs/images/start.png
	$(BIN)/python benchmarks/plot_training.py
	$(BIN)/python benchmarks/plot_recall.py
	$(BIN)/python benchmarks/update_readme.py

# Imagine with memory, act in the engine: under two hours, and the denoisers of docs/howto/plan.md first. The row of the
# path alone needs none: slowfast plan --task vizdoom-retrace --arms path --add --json results/plan-vizdoom-retrace.json
planning: setup
	$(BIN)/slowfast plan --task vizdoom-retrace --slow runs/slow-retrace/denoiser --context runs/context-retrace/denoiser \
		--json results/plan-vizdoom-retrace.json --video build/plan-retrace
	$(BIN)/python benchmarks/plot_plan.py results/plan-vizdoom-retrace.json --out docs/images/plan-retrace.png \
		--video build/plan-retrace/loop-001.mp4
	$(BIN)/slowfast plan --task metaworld-return --slow runs/moves-slow-more/denoiser \
		--context runs/moves-context/denoiser \
		--json results/plan-metaworld-return.json --video build/plan-return
	$(BIN)/python benchmarks/plot_plan.py results/plan-metaworld-return.json --out docs/images/plan-return.png \
		--video build/plan-return/loop-000.mp4
	$(BIN)/python benchmarks/update_readme.py

# Everything beside them: about three hours, and the denoisers of docs/training.md ("Trained to be compared") first.
comparisons: setup
	$(BIN)/slowfast evaluate rules --before runs/slow/denoiser \
		--loop local=runs/loop/denoiser --loop denoising=runs/loop-denoising/denoiser \
		--loop denoising-original=runs/loop-denoising-original/denoiser --loop replay=runs/loop-replay/denoiser \
		--json results/rules.json
	$(BIN)/slowfast evaluate scaling $(foreach run,large-100 large-300 large-900 loop small-100 \
		small-300 small-900,--run runs/$(run)) --json results/scaling.json
	$(BIN)/slowfast evaluate --suite standard --context runs/context/denoiser --json results/standard.json
	$(BIN)/slowfast evaluate isolation --before runs/slow/denoiser --json results/isolation.json
	$(BIN)/slowfast evaluate crossdomain --json results/crossdomain.json
	$(BIN)/slowfast evaluate ablations --json results/ablations.json
	$(BIN)/slowfast evaluate report results/*.json --out results/report

# Goes on where it was stopped.
data: setup
	$(BIN)/slowfast data make --env $(WORLD) --split train --episodes $(EPISODES) --out data/$(WORLD)/train
	$(BIN)/slowfast data make --env $(WORLD) --split validation --episodes 32 --out data/$(WORLD)/validation
	$(BIN)/slowfast data make --env $(WORLD) --split test --episodes 32 --out data/$(WORLD)/test
	$(BIN)/slowfast data check data/$(WORLD)/train data/$(WORLD)/validation data/$(WORLD)/test

# A small set of every world and of a sample of every source, checked: a few minutes on two cores. ARGS=--skip-absent.
data-all: setup
	$(BIN)/python benchmarks/data_all.py $(ARGS)

# One model over all domains and one without each in turn, and their figures, then worlds-64: four hours on two cores.
worlds: setup
	$(BIN)/python benchmarks/train_worlds.py

# results/data.json: about half an hour, on a machine that does nothing else.
bench-data: setup
	$(BIN)/python benchmarks/engine_speed.py
	$(BIN)/python benchmarks/loader_wait.py
	$(BIN)/python benchmarks/mutants.py

# results/reliability.json: some 15,000 faults, about an hour; goes on where it was stopped.
faults: setup
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/faults.py

clean:
	rm -rf .venv .venv-lerobot build dist demo .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/*.egg-info
