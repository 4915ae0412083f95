"""What came of a test program's tests? Reads what it printed; prints three numbers: passed, failed, skipped."""

import re
import sys

with open(sys.argv[1], errors="replace") as log:
    found = re.findall(r"^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored", log.read(), re.MULTILINE)
print(*(sum(int(one[at]) for one in found) for at in range(3)))
