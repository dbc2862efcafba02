# Every target is one line and calls one thing; README says what each is for.
PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: run env test check bench drill demo clean

run: .venv/.runtime
	@$(PY) -m hub.ops.local.supervisor

.venv/.runtime: requirements.txt
	@python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt && touch $@

$(STAMP): requirements-dev.txt requirements.txt
	@python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt && touch $@ .venv/.runtime

test: $(STAMP)
	@$(PY) -m pytest -n 2

check: $(STAMP)
	@.ci/check

bench: $(STAMP)
	@$(PY) -W ignore -m bench

drill: $(STAMP)
	@$(PY) -W ignore -m bench.drill

demo: .venv/.runtime
	@$(PY) -W ignore -m hub.ops.demo
