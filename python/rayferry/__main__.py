"""`python -m rayferry sidecar ...`"""

from rayferry.sidecar import main

if __name__ == "__main__":
    main()
