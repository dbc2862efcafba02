# Every target is one line and calls one thing; README says what each is for.
PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: run test test-browser test-peers check coverage bench drill demo

run: .venv/.runtime
	@$(PY) -W ignore -m hub.ops.local.supervisor

.venv/.runtime: requirements.txt
	@python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt && touch $@

$(STAMP): requirements-dev.txt requirements.txt
	@python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt && touch $@ .venv/.runtime

test: $(STAMP)
	@$(PY) -m pytest -n 2 --ignore tests/browser --ignore tests/peers

# Needs Chromium at /usr/bin/chromium (Debian: apt-get install chromium).
test-browser: .venv/.browser
	@$(PY) -m pytest tests/browser

.venv/.browser: $(STAMP) requirements-browser.txt
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-browser.txt && touch $@

# Needs Node.js 20 and npm (Debian: apt-get install nodejs npm).
test-peers: $(STAMP)
	@$(PY) -m pytest tests/peers

check: $(STAMP)
	@.ci/check

coverage: $(STAMP)
	@.ci/coverage

bench: $(STAMP)
	@$(PY) -W ignore -m bench

drill: $(STAMP)
	@$(PY) -W ignore -m bench.drill

demo: .venv/.runtime
	@$(PY) -W ignore -m hub.ops.demo
