"""Adds to package-lock.json the packages for other platforms that npm left out: complete-lock.py [package-lock.json]

npm writes down only what the registry gave it. Behind a mirror that lacks, say, the Windows build of a tool, the lock
comes out short; `npm ci` then refuses it. What is added has no checksum: npm fetches such a package only on its platform.
Run it after `npm install` said nothing and `npm ci` says "Missing: ... from lock file".
"""

import json
import re
import sys
from pathlib import Path

OS = {"android", "darwin", "freebsd", "linux", "openbsd", "netbsd", "sunos", "aix", "win32"}
CPU = {"x64", "arm64", "arm", "ia32", "ppc64", "riscv64", "s390x", "loong64"}


def entry(name: str, version: str, parent: dict) -> dict:
    words = re.split(r"[-/]", name)
    found: dict = {"optional": True}
    cpu = [word for word in words if word in CPU]
    system = [word for word in words if word in OS]
    if "musl" in words:
        found["libc"] = ["musl"]
    if not cpu or not system:
        sys.exit(f"{name}: can't tell its platform from its name; add it by hand")
    found |= {"cpu": cpu, "os": system}
    if parent.get("dev"):
        found["dev"] = True
    # In the order that npm writes them, so that its next write changes nothing.
    return {"version": version} | dict(sorted(found.items()))


def main(path: Path) -> None:
    lock = json.loads(path.read_text())
    packages = lock["packages"]
    added = {}
    for key, package in packages.items():
        for name, version in package.get("optionalDependencies", {}).items():
            # Nested beside its parent or at the top: npm looks in both.
            if f"node_modules/{name}" not in packages and f"{key}/node_modules/{name}" not in packages:
                added[f"node_modules/{name}"] = entry(name, version.lstrip("^~="), package)
    lock["packages"] = {"": packages[""]} | dict(sorted(((packages | added).items()), key=lambda item: item[0])[1:])
    path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
    print(f"added {len(added)}: {' '.join(added)}" if added else "nothing is missing")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "package-lock.json"))
