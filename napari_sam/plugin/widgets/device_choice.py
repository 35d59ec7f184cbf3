"""Choosing where planes are embedded: on this computer, or on another machine."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QInputDialog

from napari_sam.ops.remote_device import remote_device
from napari_sam.plugin.viewer.hint import sentence

__all__ = ["DeviceChoice"]

_HERE = (("auto", "Automatic"), ("cpu", "CPU"), ("cuda", "CUDA GPU"), ("mps", "MPS"))
_OTHER = "Another machine…"
_ASKS = "other"
_QUESTION = (
    "Address of a running Dask scheduler, such as tcp://10.0.0.1:8786.\n"
    "Its workers embed the planes. Give only one that you trust."
)
_TIP = (
    "Where planes are embedded. The workers of a Dask scheduler may do it on another "
    "machine, with its GPU."
)


class DeviceChoice(QComboBox):  # type: ignore[misc]
    """The devices of this computer, and the address of a Dask scheduler.

    Parameters
    ----------
    device
        What is chosen at first.
    """

    chosen = Signal()
    """The user has chosen."""

    noticed = Signal(str, str)
    """Something that the user should read once, and its `NoticeKind`."""

    def __init__(self, device: str = "auto") -> None:
        super().__init__()
        self.setMinimumContentsLength(6)
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setToolTip(_TIP)
        for name, text in _HERE:
            self.addItem(text, name)
        self.addItem(_OTHER, _ASKS)
        if "://" in device:
            self._add(device)
        self.setCurrentIndex(max(0, self.findData(device)))
        self._before = self.currentIndex()
        self.activated.connect(self._on_activated)

    @property
    def device(self) -> str:
        """The chosen device, as `napari_sam.load_model` takes it."""
        return str(self.currentData())

    def show_device(self, device: str) -> None:
        """Show on which device the model is, beside the entry that is chosen.

        Parameters
        ----------
        device
            Its type; the address of a scheduler, and more; "" for none yet.
        """
        is_remote = ":" in device
        here = "" if is_remote else device.upper()
        self._rename(0, _HERE[0][1] + (f" ({here})" if here else ""))
        if "://" in self.device:
            state = device if is_remote else f"{self.device} (not in use)"
            self._rename(self.currentIndex(), state if device else self.device)

    def _rename(self, index: int, text: str) -> None:
        if self.itemText(index) != text:
            self.setItemText(index, text)

    def _add(self, address: str) -> None:
        """List an address above the entry that asks for one."""
        if self.findData(address) < 0:
            self.insertItem(self.findData(_ASKS), address, address)
            self.setItemData(
                self.findData(address), address, Qt.ItemDataRole.ToolTipRole
            )

    def _on_activated(self, index: int) -> None:
        self.clearFocus()
        if self.device == _ASKS and not self._ask():
            self.setCurrentIndex(self._before)
            return
        self._before = self.currentIndex()
        self.chosen.emit()

    def _ask(self) -> bool:
        """Ask for an address; return whether there is one to be used."""
        self.setCurrentIndex(self._before)
        text, is_given = QInputDialog.getText(self, "Another machine", _QUESTION)
        address = text.strip()
        if not is_given or not address:
            return False
        if "://" not in address:
            address = f"tcp://{address}"
        try:
            remote_device(address)
        except ValueError as error:
            self.noticed.emit(sentence(error), "problem")
            return False
        self._add(address)
        self.setCurrentIndex(self.findData(address))
        return True
