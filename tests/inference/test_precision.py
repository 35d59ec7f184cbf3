"""The process's float32 setting is borrowed, never kept."""

import threading

import pytest
import torch

from napari_sam.inference.precision import (
    CommonSetting,
    OneDnnSetting,
    Switch,
    fast_products,
    is_exact,
)

CPU = torch.device("cpu")


MATMUL = getattr(torch.backends.mkldnn, "matmul", None)
OF_ONEDNN = pytest.param(
    OneDnnSetting,
    marks=pytest.mark.skipif(
        not hasattr(MATMUL, "fp32_precision"), reason="PyTorch before 2.9"
    ),
)


@pytest.fixture(params=[OF_ONEDNN, CommonSetting])
def setting(request):
    chosen = request.param()
    before = chosen.read()
    yield chosen
    torch.set_float32_matmul_precision("highest")
    if hasattr(MATMUL, "fp32_precision"):
        MATMUL.fp32_precision = "none"
    assert before != chosen.fast


@pytest.fixture
def fast(setting):
    """Fast products with this setting, as on a processor on which it is of use."""
    switch = Switch(setting)
    return lambda device=CPU: fast_products(device, switch, lambda: True)


def test_the_callers_setting_returns(setting, fast):
    before = setting.read()
    with fast():
        assert setting.read() == setting.fast
    assert setting.read() == before
    assert torch.get_float32_matmul_precision() == "highest"


def test_it_returns_after_an_error(setting, fast):
    before = setting.read()
    with pytest.raises(KeyError), fast():
        raise KeyError
    assert setting.read() == before


def test_it_returns_after_the_last_of_two_threads(setting, fast):
    before = setting.read()
    entered, leave = threading.Event(), threading.Event()

    def work():
        with fast():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    with fast():
        thread.start()
        assert entered.wait(10)
    assert setting.read() == setting.fast
    leave.set()
    thread.join()
    assert setting.read() == before


def test_other_devices_leave_it_alone(setting, fast):
    before = setting.read()
    with fast(torch.device("meta")):
        assert setting.read() == before


@pytest.mark.parametrize("wanted", ["highest", "high", "medium"])
def test_what_the_caller_sets_meanwhile_stays(setting, fast, wanted):
    if isinstance(setting, CommonSetting) and wanted == "medium":
        pytest.skip("the caller's and the switch's cannot be told apart there")
    with fast():
        torch.set_float32_matmul_precision(wanted)
    assert torch.get_float32_matmul_precision() == wanted


def test_what_the_caller_had_set_before_returns(setting, fast):
    for wanted in ("high", "medium", "highest"):
        torch.set_float32_matmul_precision(wanted)
        with fast():
            assert setting.read() == setting.fast
        assert torch.get_float32_matmul_precision() == wanted


@pytest.mark.skipif(not hasattr(MATMUL, "fp32_precision"), reason="PyTorch before 2.9")
def test_products_on_a_gpu_stay_exact_meanwhile():
    switch = Switch()
    with fast_products(CPU, switch, lambda: True):
        assert MATMUL.fp32_precision == "bf16"
        assert torch.backends.cuda.matmul.allow_tf32 is False
    assert isinstance(switch.setting, OneDnnSetting)


def test_without_a_setting_of_its_own_it_gives_way_to_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with fast_products(CPU, Switch(CommonSetting()), lambda: True):
        assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("capability", "amx", "error", "expected"),
    [
        ("AVX512", False, 1e-6, True),
        ("AVX512_VNNI", False, 1e-6, True),
        ("AVX512", True, 1e-6, False),
        ("AVX2", False, 1e-6, False),
        ("AVX512", False, 1e-3, False),
    ],
)
def test_only_exact_products_count(capability, amx, error, expected):
    assert is_exact(capability, amx, lambda: error) is expected


def test_products_stay_float32_here():
    a, b = torch.randn(300, 200), torch.randn(200, 100)
    with fast_products(CPU):
        found = a @ b
    exact = a.double() @ b.double()
    assert (found - exact).abs().max() <= 1e-5 * exact.abs().max()
