"""The log of a server in an actor, as the sidecars that come and go fetch it: no Ray."""

from rayferry.ray import hosting
from rayferry.ray.hosting import Lines


def test_next_sidecar_goes_on_where_the_last_one_had_it():
    lines = Lines()
    lines.log("info", "one")
    assert lines.heard == 0
    number, said = lines.after(lines.heard, 0)
    assert [msg for _, msg, _ in said] == ["one"]
    # It has them for certain only when it asks for more.
    assert lines.heard == 0
    assert lines.after(number, 0) == (1, [])
    lines.log("warn", "two")
    assert [msg for _, msg, _ in lines.after(lines.heard, 0)[1]] == ["two"]


def test_line_that_nobody_heard_says_how_old_it_is(monkeypatch):
    lines = Lines()
    lines.log("warn", "lost", peer="w")
    now = hosting.time.monotonic()
    monkeypatch.setattr(hosting.time, "monotonic", lambda: now + 12.34)
    lines.log("info", "here")
    (_, _, old), (_, _, new) = lines.after(0, 0)[1]
    assert old["peer"] == "w"
    assert 12 <= old["seconds_ago"] <= 12.4
    assert new == {}
