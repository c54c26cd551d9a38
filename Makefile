# What one needs day by day. `make test` is what CI runs; it needs a Rust toolchain and nothing else.

CARGO ?= cargo

.PHONY: run test check unit bench fidelity providers outage soak docs image clean help

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: ## build and start the daemon on an embedded store in ./data
	$(CARGO) run --release

test: ## install what tests need and is missing, then check formatting and lints and run every test
	@sh scripts/test.sh

check: ## formatting and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- --deny warnings

unit: ## the tests that need no server
	$(CARGO) test --lib

bench: ## the daemon against the floor programs of ../shared/bench, as ratios of one run
	$(CARGO) build --release
	python3 benches/whole/bench.py --inlet target/release/inlet --kit ../shared/bench --work target/bench

providers: ## every provider's behaviour, 10,000 messages with faults and kills, on both stores (minutes)
	INLET_SIMULATED_MESSAGES=10000 $(CARGO) test --test it -- --nocapture webhooks::simulator

outage: ## PostgreSQL away for 60 s under 200 webhook requests a second, stopped and hanging
	INLET_OUTAGE_SECONDS=60 $(CARGO) test --test it -- --nocapture webhooks::outage::a_database_that_is_away

fidelity: ## what is read and threaded right, beside other programs: docs/fidelity.md from the corpora of ../shared/data
	@rm -rf target/fidelity && mkdir -p target/fidelity
	INLET_FIDELITY=$(CURDIR)/target/fidelity $(CARGO) test --lib -- email::tests::corpus email::tests::bounces email::reply::tests::corpus tests::threads
	INLET_FIDELITY=$(CURDIR)/target/fidelity $(CARGO) test --test it browser::
	INLET_FIDELITY=$(CURDIR)/target/fidelity INLET_FIDELITY_WRITE=1 $(CARGO) test --lib -- --exact --nocapture tests::fidelity::the_table_is_written_where_one_is_asked_for

soak: ## the tests of fleets with the numbers of the contract: 1,000 mailboxes, 100,000 mails, kills; about ten minutes
	$(CARGO) build --release
	INLET_SOAK=1 INLET_BINARY=$(CURDIR)/target/release/inlet \
		$(CARGO) test --test it fleet:: -- --nocapture --test-threads 1

docs: ## the documentation of the code, in target/doc
	$(CARGO) doc --no-deps --document-private-items

image: ## the container image
	docker build --tag inlet .

clean: ## everything that was built; the data directory stays
	$(CARGO) clean
