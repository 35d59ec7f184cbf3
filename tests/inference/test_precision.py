"""The process's float32 setting is borrowed, never kept."""

import threading

import pytest
import torch

from napari_sam.inference import precision

CPU = torch.device("cpu")


@pytest.fixture
def fast(monkeypatch):
    """A processor on which the setting is of use."""
    monkeypatch.setattr(precision, "has_fast_products", lambda: True)
    yield
    assert torch.get_float32_matmul_precision() == "highest"


def test_the_callers_setting_returns(fast):
    with precision.fast_products(CPU):
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == "highest"


def test_it_returns_after_an_error(fast):
    with pytest.raises(KeyError), precision.fast_products(CPU):
        raise KeyError


def test_it_returns_after_the_last_of_two_threads(fast):
    entered, leave = threading.Event(), threading.Event()

    def work():
        with precision.fast_products(CPU):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    with precision.fast_products(CPU):
        thread.start()
        assert entered.wait(10)
    assert torch.get_float32_matmul_precision() == "medium"
    leave.set()
    thread.join()


def test_other_devices_leave_it_alone(fast):
    with precision.fast_products(torch.device("meta")):
        assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("capability", "amx", "error", "expected"),
    [
        ("AVX512", False, 1e-6, True),
        ("AVX512", True, 1e-6, False),
        ("AVX2", False, 1e-6, False),
        ("AVX512", False, 1e-3, False),
    ],
)
def test_only_exact_products_count(monkeypatch, capability, amx, error, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(precision, "_error_of_medium", lambda: error)
    assert precision.has_fast_products.__wrapped__() is expected


def test_products_stay_float32_here():
    a, b = torch.randn(300, 200), torch.randn(200, 100)
    with precision.fast_products(CPU):
        found = a @ b
    exact = a.double() @ b.double()
    assert (found - exact).abs().max() <= 1e-5 * exact.abs().max()
