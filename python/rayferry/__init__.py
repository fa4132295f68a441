"""Durable tasks on Ray for Node services: what authors of tasks import."""

from rayferry.errors import SoftTimeout
from rayferry.task import task
from rayferry.task_context import context

__version__ = "0.1.0"

__all__ = ["SoftTimeout", "__version__", "context", "task"]
