import numpy as np
import pandas as pd
import pytest

from napari_sam.io.measurement_tables import write_table


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "image": ["a", "b"],
            "label": np.array([1, 2]),
            "area [µm²]": [1.5, np.nan],
            "touches_border": [True, False],
            "class": ["=1+1", ""],
        }
    )


def test_csv_and_xlsx_hold_the_same(table, tmp_path):
    pd.testing.assert_frame_equal(
        pd.read_csv(
            write_table(tmp_path / "a.csv", table),
            keep_default_na=False,
            na_values={"area [µm²]": [""]},
        ),
        table,
        check_dtype=False,
    )
    read = pd.read_excel(write_table(tmp_path / "a.xlsx", table))
    assert read["area [µm²]"].tolist()[0] == 1.5 and np.isnan(read["area [µm²]"][1])
    assert read["label"].tolist() == [1, 2]
    assert read["touches_border"].tolist() == [True, False]
    assert read["class"][0] == "=1+1"  # no formula


def test_another_ending_and_too_many_rows_are_refused(table, tmp_path):
    with pytest.raises(ValueError, match=r"\.csv or \.xlsx file, got .*a\.ods"):
        write_table(tmp_path / "a.ods", table)
    many = pd.DataFrame({"label": np.arange(1_048_576)})
    with pytest.raises(ValueError, match="holds 1,048,575 rows"):
        write_table(tmp_path / "a.xlsx", many)
    assert list(tmp_path.iterdir()) == []
