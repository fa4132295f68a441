import pickle

import rayferry
from rayferry import errors


def test_package_exports_these_names():
    assert sorted(rayferry.__all__) == [
        *("NoRetry", "Retry", "Snooze", "SoftTimeout", "__version__", "context", "exponential", "task")
    ]
    assert rayferry.__version__ == "0.1.0"


def test_errors_keep_code_and_message_through_pickle():
    error = pickle.loads(pickle.dumps(errors.ResultTooLarge("too big")))
    assert (type(error), error.code, error.message) == (errors.ResultTooLarge, "ResultTooLarge", "too big")
