"""Which test programs has cargo built? Reads its messages; prints a line for each: name, its package's directory, file."""

import json
import os
import sys

found = []
with open(sys.argv[1]) as messages:
    for line in messages:
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact" or not message["profile"]["test"] or not message["executable"]:
            continue
        directory = os.path.dirname(message["manifest_path"])
        package = os.path.basename(directory)
        target = message["target"]
        name = "unit" if target["kind"] in (["lib"], ["bin"]) else target["name"]
        found.append((f"{package}/{name}", directory, message["executable"]))
# Root tests come last, for they take longest and what is below them should be right first.
for line in sorted(found, key=lambda one: (one[0].startswith("runtime-tests/"), one[0])):
    print(*line)
