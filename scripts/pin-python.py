"""Prints python/constraints.txt from what is installed in the environment that runs it:

.venv/bin/python scripts/pin-python.py > python/constraints.txt
"""

from importlib.metadata import distributions

SKIP = {"pip", "setuptools", "wheel", "rayferry"}
OLDEST = "3.10"

print("# Made by scripts/pin-python.py. A pin that has no build for Python 3.10 holds from its own oldest version on.")
pins = {}
for each in distributions():
    name = each.metadata["Name"]
    if name.lower() in SKIP:
        continue
    bounds = [bound.strip() for bound in (each.metadata["Requires-Python"] or "").split(",")]
    least = next((bound[2:] for bound in bounds if bound.startswith(">=")), OLDEST)
    major, minor, *_ = [*least.strip().split("."), "0"]
    newer = (int(major), int(minor)) > (3, 10)
    pins[name.lower()] = f"{name}=={each.version}" + (f' ; python_version >= "{major}.{minor}"' if newer else "")
print("\n".join(pins[name] for name in sorted(pins)))
