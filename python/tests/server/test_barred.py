from rayferry.server.barred import Barred


def test_newest_fence_of_each_execution_is_barred_and_the_oldest_are_forgotten():
    barred = Barred(limit=2)
    barred.add("a", 5)
    barred.add("b", 1)
    barred.add("a", 3)
    barred.add("c", 9)
    assert [barred.newest(execution) for execution in "abcd"] == [5, 0, 9, 0]
