"""Fails at import."""

import module_that_is_not_there  # noqa: F401
