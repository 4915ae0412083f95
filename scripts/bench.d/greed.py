"""What does a request cost that wants too much, and who waits meanwhile? The root test `greed` measures it; this tells it."""

import os
import re
import subprocess

# By the names of the figures; the most that is allowed.
TARGETS = {
    "greedy request alone, slowest": 2000,
    "greedy request of 8, slowest": 2000,
    "get meanwhile, p99": 50,
    "greed, peak": 256 * 1024,
}


def measure(program, root, count, quick):
    """Figures by their names in the order of their telling: units, and a value of each run."""
    figures = {}
    for _ in range(count):
        for name, unit, value in run(program, root, "0.005" if quick else "0.05"):
            figures.setdefault(name, (unit, []))[1].append(value)
    return figures


def run(program, root, loops):
    environment = dict(os.environ, OUTRIGGER_BIN=program, OUTRIGGER_LOOPS=loops, OUTRIGGER_TEST_LIMIT_S="900")
    built = os.environ.get("OUTRIGGER_GREED_TEST")
    command = [built] if built else ["cargo", "test", "--quiet", "-p", "runtime-tests", "--test", "greed", "--"]
    done = subprocess.run([*command, "--nocapture"], cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the test `greed` failed:\n{done.stdout}{done.stderr}")
    found = re.findall(r"^figure (.+): ([0-9.]+) ?(\S*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"the test `greed` told no figures:\n{done.stdout}{done.stderr}")
    return [(name, unit, float(value)) for name, value, unit in found]
