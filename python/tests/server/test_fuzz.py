"""Whatever a peer sends, the server answers as the page says and goes on. Each seed is one conversation."""

import random

import msgspec
import pytest
from effort import rounds
from model.stage import CREDIT, Peer, Stage

EXECUTIONS = ["a", "b", "c", ""]
FENCES = [*range(1, 9), *range(1, 9), *range(1, 9), 2**63 - 1, 2**63, 0]
ANSWERS = {"welcome", "refused", "registry", "inventory", "accepted", "rejected", "started", "result"} | {
    "heartbeat", "gap", "fault", "log", "progress"
}  # fmt: skip


def keys(rng):
    return [[rng.choice(EXECUTIONS), rng.choice(FENCES)] for _ in range(rng.randrange(4))]


# Fields as they should be, or nearly.
FIELDS = {
    "hello": lambda rng: [
        *(rng.randrange(3), rng.choice([1, 1, 1, 2]), "0", "w", rng.choice(["one", "two"]), rng.randrange(4)),
        *(rng.choice(["submit", "drain"]), rng.choice([[], ["one"]]), rng.choice([None, ["?", 1]]), None, CREDIT, []),
    ],
    "submit": lambda rng: [
        *(rng.choice(EXECUTIONS), rng.choice(FENCES), rng.choice([1, 1, 1, 2, 0]), rng.choice(["run", "run", "walk"])),
        *("application/json", b"{}", rng.choice([None, None, 0.5, -1, float("nan")]), rng.choice([0.0, 0.0, 5, None])),
        rng.choice([{}, {}, {"x": value(rng, 5)}]),
    ],
    "cancel": lambda rng: [rng.choice(EXECUTIONS), rng.choice(FENCES), rng.choice([0, 1.5, 30, -1, float("nan")])],
    "withdraw": lambda rng: [rng.choice(EXECUTIONS), rng.choice(FENCES)],
    "recorded": lambda rng: [keys(rng)],
    "adopt": lambda rng: [keys(rng)],
    "discard": lambda rng: [keys(rng)],
    "inventory": lambda rng: [],
    "authority": lambda rng: [rng.choice([100.0, 1e9, float("nan"), -1.0, "now"])],
    "heartbeat": lambda rng: [rng.randrange(-1, 5)],
    "retire": lambda rng: ["why"],
    "close": lambda rng: ["why", rng.random() < 0.2],
}
LOOSE = {"hello", "authority", "heartbeat"}
RARE = {"hello", "retire", "close"}


def value(rng, depth=3):
    kind = rng.randrange(10 if depth else 7)
    if kind >= 8:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {str(index): value(rng, depth - 1) for index in range(rng.randrange(3))}
    scalars = [None, True, rng.randint(-(2**63), 2**64 - 1), rng.random(), "text", b"bytes", float("inf")]
    return scalars[kind]


def message(rng, loose):
    kinds = [kind for kind in FIELDS if (kind in LOOSE) == loose and (kind not in RARE or rng.random() < 0.1)]
    kind = rng.choice([*kinds, "submit"] if not loose else kinds)
    made = [kind, *FIELDS[kind](rng)]
    if rng.random() < 0.05:
        at = rng.randrange(len(made))
        made[at : at + rng.randrange(2)] = [value(rng)] if rng.random() < 0.7 else []
    return made


def frame(rng, peer):
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(60))
    if rng.random() < 0.05:
        return msgspec.msgpack.encode(value(rng))
    loose = rng.random() < 0.2
    messages = [message(rng, loose) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    sessions = peer.stage.server.sessions
    right = 0 if loose or not sessions else sessions[0].incoming.received + 1
    seq = right if rng.random() < 0.85 else rng.randrange(-1, 20)
    ack = peer.received if rng.random() < 0.9 else rng.randrange(-1, 20)
    epoch = peer.epoch if rng.random() < 0.95 else rng.choice(["another", None, 7])
    encoded = bytearray(msgspec.msgpack.encode([1 if rng.random() < 0.97 else 2, epoch, seq, ack, messages]))
    if rng.random() < 0.1:
        encoded[rng.randrange(len(encoded))] = rng.randrange(256)
    return bytes(encoded)


def converse(seed):
    rng = random.Random(seed)
    stage = Stage()
    peers = [Peer(stage, "one"), Peer(stage, "two")]
    peers[0].greet()
    peers[1].greet(role="drain")
    for _ in range(60):
        peer = rng.choice([peers[0], peers[0], peers[1]])
        for answer in peer.raw(frame(rng, peer)):
            assert {each[0] for each in answer[4]} <= ANSWERS
        for running in rng.sample(stage.runner.live, min(len(stage.runner.live), rng.randrange(2))):
            rng.choice([stage.runner.begin, stage.runner.succeed, stage.runner.die])(running)
        if stage.turn() is not None:
            return
    lives_on(stage)


def lives_on(stage):
    later = Peer(stage, "later")
    greeted = later.greet(replaces=[session.incarnation for session in stage.server.sessions])
    # Somebody may have said `retire`.
    assert greeted[0] == "welcome" or greeted[2] == "ENDING"
    if greeted[0] == "welcome":
        assert ["accepted", "new", 1] in later.submit("new")


def test_whatever_comes_is_answered_and_the_server_goes_on():
    for seed in range(rounds(1_500, brief=150)):
        converse(seed)


@pytest.mark.long
def test_the_same_for_a_longer_time():
    for seed in range(1_500, 100_000):
        converse(seed)
