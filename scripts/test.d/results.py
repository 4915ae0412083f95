"""What came of a test program's tests? Reads what it printed; prints three numbers: passed, failed, ignored.

One that does not say what came of them has failed."""

import re
import sys

with open(sys.argv[1], errors="replace") as log:
    found = re.findall(r"^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored", log.read(), re.MULTILINE)
# A program's last word is its own; before may stand those of programs that its tests have started. Of cargo's
# documentation tests each package has its own.
counted = found if "--all" in sys.argv else found[-1:]
if not counted:
    counted = [(0, 1, 0)]
print(*(sum(int(one[at]) for one in counted) for at in range(3)))
