"""Everything that knows Ray. Importing this package alone doesn't import Ray: see environment.py."""
