import numpy as np

from ml.learning.retrain.scoring import ScoredPhotos, align_classes


def test_columns_come_into_the_policys_order() -> None:
    found = align_classes(np.array([[0.2, 0.5, 0.3]]), ("c", "a", "b"), ("a", "b", "c"))
    np.testing.assert_allclose(found, [[0.5, 0.3, 0.2]])


def test_a_class_that_is_not_known_gets_nothing() -> None:
    found = align_classes(np.array([[0.25, 0.75]]), ("a", "b"), ("a", "new", "b"))
    np.testing.assert_allclose(found, [[0.25, 0.0, 0.75]])


def test_a_class_that_the_policy_dropped_is_shared_out() -> None:
    found = align_classes(
        np.array([[0.2, 0.2, 0.6], [0.0, 0.0, 1.0]]), ("a", "b", "old"), ("a", "b")
    )
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.5, 0.5]])


def test_rows_leave_out_what_was_rejected() -> None:
    judged = ScoredPhotos(("x", "y"), ((1, 1), (1, 1)), np.zeros(2), (), (), {"z": "corrupt"})
    assert judged.rows(["y", "z", "x"]).tolist() == [1, 0]
