"""Frames that take the way through an actor's handle."""

from rayferry.bridge.relay import RelayedLink


class Prompt:
    """A link whose thread answers what is relayed before the caller of `wake` goes on."""

    def __init__(self):
        self.relayed = RelayedLink(self)

    def receive(self, timeout_seconds):
        return []

    def send(self, peer, frame):
        raise AssertionError("nobody is connected to this link itself")

    def wake(self):
        for peer, frame in self.relayed.receive(0):
            self.relayed.send(peer, frame.upper())


def test_answer_to_the_very_first_frame_isnt_lost_however_soon_it_comes():
    relayed = Prompt().relayed
    assert relayed.exchange(b"worker", [b"hello"], 5) == [b"HELLO"]
    assert relayed.exchange(b"worker", [b"a", b"b"], 5) == [b"A", b"B"]
