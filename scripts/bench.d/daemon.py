"""What does a daemon cost that has nothing to do, or very many Pods? The root test `many` measures it; this tells it."""

import os
import re
import subprocess

PODS = 200
TARGETS = {
    "idle daemon, PSS": 15 * 1024,
    "processor in 10 s": 500,
    "adopted after SIGKILL": 1000,
}


def measure(program, root, count):
    """Figures by their names in the order of their telling: units, and a value of each run."""
    environment = dict(os.environ, OUTRIGGER_BIN=program, OUTRIGGER_MANY=str(PODS))
    command = ["cargo", "test", "--quiet", "-p", "runtime-tests", "--test", "many", "--", "--nocapture", "--test-threads", "1"]
    figures = {}
    for _ in range(count):
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the test `many` failed:\n{done.stdout}{done.stderr}")
        for name, value, unit in re.findall(r"^figure (.+): ([0-9.]+) ?(\S*)$", done.stdout, re.MULTILINE):
            figures.setdefault(name, (unit, []))[1].append(float(value))
    return figures
