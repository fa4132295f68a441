"""Cross-validation of scikit-learn classifiers on its bundled digits: 1,797 scans of handwritten digits, 8 x 8 pixels."""

import time
from typing import Any

from rayferry import task
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

FAMILIES = {"svc": SVC, "knn": KNeighborsClassifier}


@task(name="digits.cross_validate", num_cpus=1)
def cross_validate(family: str, params: dict[str, Any], folds: int = 10) -> dict[str, Any]:
    """Mean accuracy of one configuration over stratified folds."""
    x, y = load_digits(return_X_y=True)
    begun = time.perf_counter()
    scores = cross_val_score(FAMILIES[family](**params), x, y, cv=folds)
    return {"accuracy": float(scores.mean()), "deviation": float(scores.std()), "seconds": time.perf_counter() - begun}


@task(name="digits.leave_one_out", num_cpus=1)
def leave_one_out(family: str, params: dict[str, Any]) -> dict[str, Any]:
    """Trains once for each of the 1,797 scans: minutes of work, there to be cancelled."""
    x, y = load_digits(return_X_y=True)
    right = 0
    for left_out in range(len(x)):
        rest = [index for index in range(len(x)) if index != left_out]
        model = FAMILIES[family](**params).fit(x[rest], y[rest])
        right += int(model.predict(x[left_out : left_out + 1])[0] == y[left_out])
    return {"accuracy": right / len(x)}
