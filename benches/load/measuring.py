"""What the measurements in this folder share: how servers are started, and how a figure is told."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python" / "server"))

from serving import Failed, Workplace, month, until  # noqa: E402, F401: found by the line above, for others

MIB = 1 << 20


def tell(figures, sentence, wrong):
    """The figures for programs, a sentence for people; ends with 1 where a limit is broken."""
    print(json.dumps(figures))
    print(sentence)
    if wrong:
        sys.exit("\n".join(wrong))


def measured(main):
    """Runs a measurement, which may not come about."""
    try:
        main()
    except (Failed, OSError) as failed:
        sys.exit(str(failed))
