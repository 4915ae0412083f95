"""What does a daemon cost that has nothing to do, or very many Pods? The root test `many` measures it; this tells it."""

import os
import re
import subprocess

PODS = 200
# Fewer would not outweigh what the first Pod costs the daemon once.
FEW_PODS = 100
MOST_PODS = 500
# By the names of the figures; the most that is allowed.
TARGETS = {
    "idle daemon, PSS": 15 * 1024,
    "idle daemon, wake-ups in 10 s": 2,
    "daemon with pods at rest, processor in 10 s": 500,
    "shim, PSS": 256,
    "API: apply to a pod, p50": 5,
    "adopted after SIGKILL": 1000,
    f"all ready, {MOST_PODS} pods": 60,
}
WITH_MOST = ("all ready", "daemon with pods, PSS", "adopted after SIGKILL", "all deleted")


def measure(program, root, count, quick):
    """Figures by their names in the order of their telling: units, and a value of each run."""
    figures = {}
    if quick:
        return {name: (unit, [value]) for name, unit, value in run(program, root, FEW_PODS, rest_s=2)}
    for number in range(count):
        for name, unit, value in run(program, root, PODS):
            figures.setdefault(name, (unit, []))[1].append(value)
        # Once is enough for what has so wide a margin, unless there is time.
        if number == 0 or count > 3:
            for name, unit, value in run(program, root, MOST_PODS, "many_pods"):
                if name in WITH_MOST:
                    figures.setdefault(f"{name}, {MOST_PODS} pods", (unit, []))[1].append(value)
    return figures


def run(program, root, pods, *only, rest_s=30):
    environment = dict(os.environ, OUTRIGGER_BIN=program, OUTRIGGER_MANY=str(pods), OUTRIGGER_MANY_REST_S=str(rest_s),
                       OUTRIGGER_TEST_LIMIT_S="900")
    built = os.environ.get("OUTRIGGER_MANY_TEST")
    command = [built] if built else ["cargo", "test", "--quiet", "-p", "runtime-tests", "--test", "many", "--"]
    command += ["--nocapture", "--test-threads", "1", *only]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the test `many` failed:\n{done.stdout}{done.stderr}")
    found = re.findall(r"^figure (.+): ([0-9.]+) ?(\S*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"the test `many` told no figures:\n{done.stdout}{done.stderr}")
    return [(name, unit, float(value)) for name, value, unit in found]


def promises(figures, quartiles):
    """Rows for PROMISES.md."""
    for name, (unit, values) in figures.items():
        low, middle, high = (spell(value, unit) for value in quartiles(values))
        target = TARGETS.get(name)
        target = "" if target is None else f"≤ {spell(target, unit)}"
        spread = "" if low == high else f" ({low}–{high})"
        yield f"| {name} | {target} | **{middle}**{spread} |"


def spell(value, unit):
    if unit == "KiB" and value >= 1024:
        value, unit = value / 1024, "MiB"
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}".strip()
