"""Durable tasks on Ray for Node services: what authors of tasks import."""

from rayferry.task import task

__version__ = "0.1.0"

__all__ = ["__version__", "task"]
