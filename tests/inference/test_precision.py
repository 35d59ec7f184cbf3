"""The process's float32 setting is borrowed, never kept."""

import threading

import pytest
import torch

from napari_sam.inference import precision

CPU = torch.device("cpu")


MATMUL = getattr(torch.backends.mkldnn, "matmul", None)
OF_ONEDNN = pytest.param(
    precision._OfOneDnn,
    marks=pytest.mark.skipif(
        not hasattr(MATMUL, "fp32_precision"), reason="PyTorch before 2.9"
    ),
)


@pytest.fixture(params=[OF_ONEDNN, precision._OfAll])
def setting(monkeypatch, request):
    """A processor on which the setting is of use."""
    chosen = request.param()
    monkeypatch.setattr(precision, "has_fast_products", lambda: True)
    monkeypatch.setattr(precision, "_switch", precision._Switch(chosen))
    before = chosen.read()
    yield chosen
    torch.set_float32_matmul_precision("highest")
    if hasattr(MATMUL, "fp32_precision"):
        MATMUL.fp32_precision = "none"
    assert before != chosen.fast


def test_the_callers_setting_returns(setting):
    before = setting.read()
    with precision.fast_products(CPU):
        assert setting.read() == setting.fast
    assert setting.read() == before
    assert torch.get_float32_matmul_precision() == "highest"


def test_it_returns_after_an_error(setting):
    before = setting.read()
    with pytest.raises(KeyError), precision.fast_products(CPU):
        raise KeyError
    assert setting.read() == before


def test_it_returns_after_the_last_of_two_threads(setting):
    before = setting.read()
    entered, leave = threading.Event(), threading.Event()

    def work():
        with precision.fast_products(CPU):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    with precision.fast_products(CPU):
        thread.start()
        assert entered.wait(10)
    assert setting.read() == setting.fast
    leave.set()
    thread.join()
    assert setting.read() == before


def test_other_devices_leave_it_alone(setting):
    before = setting.read()
    with precision.fast_products(torch.device("meta")):
        assert setting.read() == before


@pytest.mark.parametrize("wanted", ["highest", "high", "medium"])
def test_what_the_caller_sets_meanwhile_stays(setting, wanted):
    if isinstance(setting, precision._OfAll) and wanted == "medium":
        pytest.skip("the caller's and the switch's cannot be told apart there")
    with precision.fast_products(CPU):
        torch.set_float32_matmul_precision(wanted)
    assert torch.get_float32_matmul_precision() == wanted


def test_what_the_caller_had_set_before_returns(setting):
    for wanted in ("high", "medium", "highest"):
        torch.set_float32_matmul_precision(wanted)
        with precision.fast_products(CPU):
            assert setting.read() == setting.fast
        assert torch.get_float32_matmul_precision() == wanted


@pytest.mark.skipif(not hasattr(MATMUL, "fp32_precision"), reason="PyTorch before 2.9")
def test_products_on_a_gpu_stay_exact_meanwhile(monkeypatch):
    monkeypatch.setattr(precision, "has_fast_products", lambda: True)
    with precision.fast_products(CPU):
        assert MATMUL.fp32_precision == "bf16"
        assert torch.backends.cuda.matmul.allow_tf32 is False
    assert isinstance(precision._switch.setting, precision._OfOneDnn)


def test_without_a_setting_of_its_own_it_gives_way_to_cuda(monkeypatch):
    monkeypatch.setattr(precision, "has_fast_products", lambda: True)
    monkeypatch.setattr(precision, "_switch", precision._Switch(precision._OfAll()))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with precision.fast_products(CPU):
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
