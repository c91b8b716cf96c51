"""`make sbom`: the packages in the image, by uv.lock, as CycloneDX."""

import json
import subprocess
from pathlib import Path

from ml.errors import Mistake
from ml.files import replacing
from ops.image import groups

SBOM = Path("artifacts/sbom.json")


def sbom() -> None:
    """Write artifacts/sbom.json."""
    form = ["--format", "cyclonedx1.5", "--preview-features", "sbom-export"]
    command = ["uv", "export", "--quiet", "--locked", *form, *groups()]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0:
        why = " ".join(done.stderr.decode("utf-8", errors="replace").split())[-300:]
        raise Mistake(f"uv export failed: {why}")
    parts = json.loads(done.stdout).get("components", [])
    if not parts:
        raise Mistake("uv.lock names no package of the image: `make setup` writes it; commit it")
    with replacing(SBOM) as part:
        part.write_bytes(done.stdout)
    print(f"{SBOM}: {len(parts)} packages")
