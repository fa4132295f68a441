"""Durable tasks on Ray for Node services: what authors of tasks import."""

from rayferry.errors import NoRetry, Retry, Snooze, SoftTimeout
from rayferry.retry_policy import exponential
from rayferry.task import task
from rayferry.task_context import context

__version__ = "0.1.0"

__all__ = ["NoRetry", "Retry", "Snooze", "SoftTimeout", "__version__", "context", "exponential", "task"]
