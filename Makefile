# `make help` lists what there is. Everything is a thin call: the work is done in scripts/ and xtask/.

.PHONY: help run test check bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

run: ## build Tidings and start it on this machine's mail log, else on the bundled sample
	@scripts/run

test: ## every check and every test, as CI runs them
	@scripts/test

check: ## the quick loop: format, clippy, dependency edges, generated files, tests
	@cargo x check

bench: ## measure the whole program (needs a quiet machine)
	@bench/run

clean: ## remove everything that was built
	@cargo clean
