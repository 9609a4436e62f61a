# Two commands for everybody: `make run` shows the report, `make test` is all that CI asks of a change.
#
# Plain POSIX make and sh, so that it works wherever there is a make; Cargo decides what is out of date.
.POSIX:

# Always the whole workspace: with `-p` or without `--workspace` Cargo would settle on other features of the
# dependencies and build hundreds of them a second time. Always --release: there is one profile (see Cargo.toml).
CARGO_ARGS = --release --workspace --locked

# Cargo knows where it puts the program; CARGO_TARGET_DIR or a configuration file may say so.
TARGET = $$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# What `make test` does, in this order: what fails fast comes first.
STEPS = prepare format deny program lint slim suite doc tidy

.PHONY: help run serve notebooks program test $(STEPS) advisories figures load lake read-back side-by-side stages instructions pictures clean

help:
	@echo 'make run         build, make a demo database, report its previous month into ./reports'
	@echo 'make serve       the same on a page, http://127.0.0.1:8080, until Ctrl-C'
	@echo 'make notebooks   what analysts start from, in a browser, on a demo of their own'
	@echo 'make test        everything that CI checks; installs what the tests need'
	@echo 'make suite       only the tests, once `make prepare` has been run'
	@echo 'make lint        clippy, with warnings as errors'
	@echo 'make doc         the documentation of the code'
	@echo 'make advisories  dependencies with known weaknesses; needs cargo-deny and the network'
	@echo 'make figures     the program at its full sizes, measured into docs/figures.md'
	@echo 'make load        of these only the server under load'
	@echo 'make lake        of these only three years of a million tickets a month, made and read'
	@echo 'make read-back   a workbook of a million tickets, read to its last cell by other programs'
	@echo 'make side-by-side  the same beside other tools, into docs/side-by-side.md'
	@echo 'make stages      each stage alone, timed by criterion'
	@echo 'make instructions  those of the row writer, counted; fails when they have become many more'
	@echo 'make pictures    the pictures of the README again; needs LibreOffice, poppler and Chromium'
	@echo 'make clean       remove what was built and the demo; ./reports stays'

# Installs nothing and asks nothing. The demo is made again in each new month, so that the month before is in it.
run: program
	@set -e; \
	program="$(TARGET)/release/ticketing-report"; \
	month=$$(date -u +%Y-%m); \
	if [ ! -f demo/demo.sqlite ] || [ "$$(cat demo/made-in 2>/dev/null)" != "$$month" ]; then \
	    mkdir -p demo; rm -f demo/demo.sqlite demo/made-in; \
	    from=$$(( $${month%-*} - 1 ))-$${month#*-}; \
	    "$$program" demo sqlite://demo/demo.sqlite --tickets 20000 --from "$$from" --months 13 --seed 1; \
	    echo "$$month" > demo/made-in; \
	fi; \
	said=$$(DATABASE_URL=sqlite://demo/demo.sqlite \
	    "$$program" --period previous-month --time-zone UTC --store ./reports); \
	echo "$$said"; \
	workbook=$${said##* in }; \
	period=$${workbook##*ticketing-report-}; period=$${period%.xlsx}; \
	edition=$$(ls "reports/editions/$$period" | sort -n | tail -n 1); \
	case $$program in "$$PWD"/*) program=.$${program#"$$PWD"} ;; esac; \
	echo; \
	echo "Workbook  reports/ticketing-report-$$period.xlsx"; \
	echo "Snapshot  reports/snapshots/*/month=$$period/part-0.parquet (bookings, exceptions, payments, refunds, tickets, trips)"; \
	echo "Manifest  reports/editions/$$period/$$edition/manifest.json"; \
	echo; \
	echo "Open the workbook in Excel or LibreOffice, or go on with:"; \
	echo "  make serve        # all reports on a page at http://127.0.0.1:8080"; \
	echo "  $$program list"; \
	echo "  DATABASE_URL=sqlite://demo/demo.sqlite $$program check"; \
	echo "  duckdb -c \"SELECT ticket_status, count(*) FROM 'reports/snapshots/tickets/*/*.parquet' GROUP BY ALL\""; \
	echo "  python3 -c \"import polars; print(polars.read_parquet('reports/snapshots/tickets/'))\""; \
	echo "  DB_HOST=... DB_NAME=traindb DB_USER=... DB_PASSWORD=... $$program --period previous-month"

# The demo's store on a page. Whoever opens it may start reports; nobody but this machine can.
serve: run
	@DATABASE_URL=sqlite://demo/demo.sqlite RUST_LOG=warn "$(TARGET)/release/report-server" --store ./reports

# JupyterLab and what the notebooks read with, in a folder beside the demo: some 900 MB. The demo has two editions of a
# month, for the notebook that compares them.
notebooks: program
	@set -e; \
	lab=demo/notebooks/lab; \
	if ! [ -x "$$lab/bin/jupyter" ]; then \
	    python3 -m venv "$$lab"; \
	    "$$lab/bin/python" -m pip install --quiet -r notebooks/requirements.txt -r notebooks/requirements-lab.txt; \
	fi; \
	[ -d demo/notebooks/demo-store ] || notebooks/demo "$(TARGET)/release/ticketing-report" demo/notebooks; \
	REPORT_STORE=demo/notebooks/demo-store "$$lab/bin/jupyter" lab notebooks

program:
	cargo build $(CARGO_ARGS)

# One step after the other, whatever -j says, each with the time it took.
test:
	@set -e; \
	for step in $(STEPS); do \
	    began=$$(date +%s); \
	    $(MAKE) "$$step"; \
	    echo "== $$step: $$(( $$(date +%s) - began )) s"; \
	done

prepare:
	tests/prepare

format:
	cargo fmt --all --check

# What may be in the dependency tree. Optional, because installing cargo-deny takes some minutes; CI has it.
deny:
	@if command -v cargo-deny > /dev/null; then \
	    echo 'cargo deny check bans licenses sources'; cargo deny check bans licenses sources; \
	else \
	    echo 'deny: SKIPPED, as cargo-deny is not installed; `cargo install --locked cargo-deny` does that'; \
	fi

# Needs a git host on the network for the list of advisories, so it is no part of `make test`.
advisories:
	cargo deny check advisories

lint:
	cargo clippy $(CARGO_ARGS) --all-targets -- -D warnings

# The server links the library without its engine. This is the one place that asks for other features; it only checks,
# which takes a minute the first time and nothing afterwards.
slim:
	cargo check --release --locked -p server

suite:
	cargo test $(CARGO_ARGS)

doc:
	RUSTDOCFLAGS=-Dwarnings cargo doc $(CARGO_ARGS) --no-deps

# Whether the documents say what is true and the modules keep their borders.
tidy: program
	.ci/tidy "$(TARGET)/release"

# Three quarters of an hour and 20 GB of disk for a while, as root: the program at its full sizes, for docs/figures.md.
figures: prepare program
	"$(TARGET)/release/figures"
	"$(TARGET)/release/figures" --lake

# Three minutes of these: the server under load.
load: prepare program
	"$(TARGET)/release/figures" --server

# Half of these: three years of a million tickets a month, and how well they are read.
lake: prepare program
	"$(TARGET)/release/figures" --lake

# A quarter of an hour: every cell of a million tickets, read by other programs.
read-back: prepare program
	benches/prepare
	"$(TARGET)/release/figures" --read-back

# Half an hour: the same rows by whatever else makes workbooks, for docs/side-by-side.md.
side-by-side: prepare program
	benches/prepare
	"$(TARGET)/release/side-by-side"

# A quarter of an hour: each stage alone, at three sizes.
stages: prepare
	cargo bench --workspace --locked --bench stages

# Needs valgrind and its own build of the row writer, which takes some minutes the first time and seconds afterwards.
instructions:
	benches/instructions/check

pictures: program
	docs/images/make "$(TARGET)/release"

# Never ./reports: it is also where real reports go when nothing else is said.
clean:
	cargo clean
	rm -f demo/demo.sqlite demo/made-in
