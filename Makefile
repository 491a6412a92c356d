PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup train pretrain demo test test-all bench lint format

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install everything into .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	touch $@

train: $(READY) ## Train the GAN on sample photographs (ARGS="model=unet seed=1" changes it)
	$(BIN)/python -m src.train model=unet_gan $(ARGS)

pretrain: $(READY) ## Pretrain an encoder on grey pictures (ARGS="model/generator=unet data=folder data.root=DIR")
	$(BIN)/python -m src.pretrain $(ARGS)

demo: $(READY) ## Serve the page that colours photos (ARGS="--checkpoint best.ckpt")
	$(BIN)/python -m src.demo $(ARGS)

test: $(READY) ## Run the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --durations=10 -m "not slow" $(ARGS)

test-all: $(READY) ## Run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --durations=10 $(ARGS)

bench: $(READY) ## Measure speed against independent references (trainer=gpu: on a GPU)
	$(BIN)/python -m tests.benchmarks.bench $(if $(trainer),trainer=$(trainer)) $(ARGS)

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
