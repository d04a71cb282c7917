"""Type-checks the pure parts: modules that touch no database, where a wrong type is a wrong answer."""

import subprocess
import sys
from pathlib import Path

PURE = [
    "outbound/dispatcher.py",
    "outbound/embedded/lock.py",
    "outbound/embedded/supervisor.py",
    "outbound/env.py",
    "outbound/home.py",
    "outbound/ids.py",
    "outbound/templating.py",
    "leads/cells.py",
    "leads/checks.py",
    "leads/columns.py",
    "leads/health.py",
    "leads/rows.py",
    "leads/sniffing.py",
    "campaigns/choosing.py",
    "campaigns/rendering.py",
    "campaigns/schedule.py",
    "mcp/jsonrpc.py",
]

root = Path(__file__).resolve().parent.parent
present = [name for name in PURE if (root / name).exists()]
command = [sys.executable, "-m", "mypy", "--follow-imports=silent", *present]
sys.exit(subprocess.run(command, cwd=root, check=False).returncode)
