"""Looks the locked dependencies up in a database of vulnerabilities (`make check-security`).

pip-audit is installed into an environment of its own for that: it is no dependency of memdec. An
audit that could look nothing up has failed, whatever pip-audit's exit status is.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "requirements.lock"


def main() -> int:
    """Audits and prints the result; 0 if everything was looked up and nothing is known."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pip-audit"], check=True)
        command = [python, "-m", "pip_audit", "--requirement", LOCK, "--no-deps", "--disable-pip"]
        done = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if not done.stdout.strip():
        sys.stderr.write(f"NOT AUDITED: pip-audit failed:\n{done.stderr}")
        return 1
    return report(json.loads(done.stdout)["dependencies"])


def report(dependencies: list[dict[str, Any]]) -> int:
    """Prints what is known of each dependency; returns the exit status."""
    skipped = [each for each in dependencies if "skip_reason" in each]
    vulnerable = [each for each in dependencies if each.get("vulns")]
    audited = len(dependencies) - len(skipped)
    for each in vulnerable:
        for known in each["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no release"
            sys.stdout.write(f"{each['name']} {each['version']}: {known['id']}, fixed: {fixed}\n")
    if not audited:
        sys.stdout.write(
            f"NOT AUDITED: none of {len(dependencies)} dependencies could be looked up; this "
            "machine does not reach the database of vulnerabilities. Run it where it is reached.\n"
        )
        return 1
    sys.stdout.write(f"{audited} of {len(dependencies)} looked up, {len(vulnerable)} vulnerable\n")
    for each in skipped:
        sys.stdout.write(f"NOT AUDITED: {each['name']} ({each['skip_reason']})\n")
    return 1 if vulnerable or skipped else 0


if __name__ == "__main__":
    sys.exit(main())
