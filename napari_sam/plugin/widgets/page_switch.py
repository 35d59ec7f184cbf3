"""Which page of the dock is seen: the tabs, the choice of a method, and the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_sam.plugin.widgets.dock_layout import PageStack, data_choice, form
from napari_sam.plugin.widgets.page_bar import PageBar
from napari_sam.plugin.widgets.page_list import TABS, make_page, tab_of, title_of

if TYPE_CHECKING:
    from napari_sam.plugin.widgets.page import Page, Shared

__all__ = ["PageSwitch"]


class PageSwitch(QObject):  # type: ignore[misc]
    """Makes pages when they are first wanted, and shows one at a time.

    Parameters
    ----------
    shared
        What all pages share.

    Attributes
    ----------
    bar
        The tabs.
    actions
        The row with the main button of the page.
    body
        The choice of a method, and the page below it.
    pages
        Those that were made, by name.
    name
        Of the page that is shown, or would be if the dock were; "" for none yet.
    """

    made = Signal(object)
    """A page was made; emitted with it."""

    switched = Signal()
    """Another page is shown."""

    def __init__(self, shared: Shared, parent: QObject) -> None:
        super().__init__(parent)
        self._shared = shared
        self._is_seen = False
        self._method_of = {tab.name: tab.pages[0] for tab in TABS}
        self.pages: dict[str, Page] = {}
        self.name = ""
        self.bar = PageBar(TABS)
        self.method = data_choice((), "What is to be done here.")
        self.actions = QStackedWidget()
        self.body = QWidget()
        self._method_row = QWidget()
        self._stack = PageStack()
        self._lay_out()
        self.bar.chosen.connect(self._on_tab)
        self.method.activated.connect(self._on_method)

    def _lay_out(self) -> None:
        policy = QSizePolicy.Policy
        self.actions.setSizePolicy(policy.Preferred, policy.Fixed)
        self._method_row.setLayout(form(("Do", self.method)))
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._method_row)
        layout.addWidget(self._stack, 1)

    @property
    def shown(self) -> Page:
        """The page that is shown, or would be if the dock were."""
        return self.pages[self.name]

    def page(self, name: str) -> Page:
        """Return a page, which is made the first time."""
        if name not in self.pages:
            page = self.pages[name] = make_page(name, self._shared)
            self._stack.addWidget(page)
            self.actions.addWidget(page.actions)
            self.made.emit(page)
        return self.pages[name]

    def show(self, name: str) -> Page:
        """Show a page, or the one of a tab that was shown there last.

        Raises
        ------
        ValueError
            If there is no such page.
        """
        tab = tab_of(name)
        if name in tab.pages:
            self._method_of[tab.name] = name
        name = self._method_of[tab.name]
        page = self.page(name)
        if name != self.name:
            self._leave()
            self.name = name
            self._stack.setCurrentWidget(page)
            self.actions.setCurrentWidget(page.actions)
            self._show_methods(tab.pages)
            self.bar.show_tab(tab.name)
            self._enter()
        self.switched.emit()
        return page

    def set_seen(self, is_seen: bool) -> None:
        """Let the page begin, or let go of events: the dock is seen, or hidden."""
        if not is_seen:
            self._leave()
        self._is_seen = is_seen
        self._enter()

    def _enter(self) -> None:
        if self._is_seen and not self.shown.is_shown:
            self.shown.is_shown = True
            self.shown.enter()

    def _leave(self) -> None:
        if self.name and self.shown.is_shown:
            self.shown.is_shown = False
            self.shown.leave()

    def show_busy(self) -> None:
        """Mark the tabs behind which something is under way that is not seen."""
        busy = {
            tab_of(name).name
            for name, page in self.pages.items()
            if page is not self.shown and page.is_long and page.work() is not None
        }
        self.bar.show_busy(busy)

    def _show_methods(self, names: tuple[str, ...]) -> None:
        self.method.clear()
        for name in names:
            self.method.addItem(title_of(name), name)
        self.method.setCurrentIndex(names.index(self.name))
        self._method_row.setVisible(len(names) > 1)

    def _on_tab(self, name: str) -> None:
        self.show(name)

    def _on_method(self, index: int) -> None:
        self.method.clearFocus()
        self.show(str(self.method.currentData()))
