"""`make demo`: render an overlay of the example with the real programs and show what came out.

The key is the example's published one, which sopsmith refuses unless it is allowed as here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
BUILD = ("kustomize", "build", "--enable-alpha-plugins", "--enable-exec")


def main() -> int:
    """Show the masked Secrets, where each value came from, and the time of one render."""
    overlay = sys.argv[1] if len(sys.argv) > 1 else "overlays/production"
    env = os.environ | {
        "SOPS_AGE_KEY_FILE": str(ROOT / "secrets/demo-only.agekey"),
        "SOPSMITH_ALLOW_DEMO_KEY": "1",
    }
    print(f"$ {' '.join(BUILD)} {overlay}")
    started = time.perf_counter()
    built = subprocess.run((*BUILD, overlay), cwd=ROOT, env=env, stdout=subprocess.PIPE)
    seconds = time.perf_counter() - started
    if built.returncode:
        return built.returncode
    for manifest in yaml.safe_load_all(built.stdout):
        if manifest["kind"] == "Secret":
            manifest["data"] = dict.fromkeys(manifest["data"], "***")
            print("---\n" + yaml.safe_dump(manifest, sort_keys=False).rstrip())
    print(f"\n$ sopsmith list {overlay}", flush=True)
    listed = subprocess.run(("sopsmith", "list", overlay), cwd=ROOT, env=env)
    print(f"\nkustomize build took {seconds * 1000:.0f} ms")
    return listed.returncode


if __name__ == "__main__":
    sys.exit(main())
