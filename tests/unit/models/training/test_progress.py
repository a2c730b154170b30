import io

from rich.console import Console
from structlog.testing import capture_logs

from ml.core.types import EpochResult
from ml.models.training.progress import listener

_EPOCH = EpochResult(
    number=1,
    epochs=3,
    train_loss=0.5,
    train_accuracy=0.75,
    validation_loss=0.4,
    validation_accuracy=0.875,
    learning_rate=0.001,
    seconds=2.0,
)


def _notify(console: Console) -> list[dict[str, object]]:
    with capture_logs() as logs, listener(console) as progress:
        for done in (1, 2):
            progress.on_decoded(done, 2)
        progress.on_step(5, 15, 0.5, 0.75)
        progress.on_epoch(_EPOCH)
    return logs


def test_listener_shows_bars_on_a_terminal() -> None:
    screen = io.StringIO()
    logs = _notify(Console(file=screen, force_terminal=True, color_system=None, width=120))
    shown = screen.getvalue()
    assert not logs
    assert "loss 0.500  accuracy 75.0%" in shown
    assert "epoch 1/3" in shown
    assert "5/15" in shown


def test_listener_logs_lines_without_a_terminal() -> None:
    screen = io.StringIO()
    logs = _notify(Console(file=screen, force_terminal=False))
    assert screen.getvalue() == ""
    assert [entry["event"] for entry in logs] == ["photos decoded", "epoch done"]
    assert logs[0]["files"] == 2
    assert (logs[1]["epoch"], logs[1]["validation_accuracy"]) == ("1/3", 0.875)
