"""Inputs and results as bytes with a content type: JSON where JSON says the value exactly, MessagePack otherwise.

docs/payloads.md has every form; the TypeScript half is src/payload.ts. The files, from the bytes to the task and back:

decode      bytes -> plain values
arguments   plain values -> what the annotations say (schemas: which ones; misfit: the sentence when they don't fit)
encode      a result -> bytes (plain: -> plain values, or a refusal with its path; members: of classes, by their schema)
extensions  what MessagePack has no type for, both ways (arrays: those of JavaScript and of numpy)
"""

from rayferry.payload.arguments import bind
from rayferry.payload.decode import decode_input
from rayferry.payload.encode import encode_result
from rayferry.payload.forms import JSON, MSGPACK

__all__ = ["JSON", "MSGPACK", "bind", "decode_input", "encode_result"]
