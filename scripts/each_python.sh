#!/bin/sh
# Runs the tests on each Python from 3.11 to 3.14 that is found and starts, each in an environment of its own below .venvs/.
failed="" ran=""
for minor in 11 12 13 14; do
    for python in "python3.$minor" "$HOME/.pyenv/versions/3.$minor".*/bin/python; do
        "$python" -c "import sys; sys.exit(sys.version_info[:2] != (3, $minor))" >/dev/null 2>&1 || continue
        echo "== Python 3.$minor ($python)"
        ran="$ran 3.$minor"
        make test VENV=".venvs/3.$minor" PYTHON="$python" TESTS="$*" || failed="$failed 3.$minor"
        break
    done
done
[ -n "$ran" ] || { echo "no Python from 3.11 to 3.14 was found"; exit 1; }
echo "ran on:$ran${failed:+; failed on:$failed}"
[ -z "$failed" ]
