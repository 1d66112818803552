"""Which unit stands below which."""

from huiyin_directory.domain import SHIPPED_UNITS, is_below


def test_a_unit_is_below_itself_and_its_ancestors() -> None:
    parents = {"east": None, "shanghai": "east", "shanghai-01": "shanghai"}

    assert is_below("shanghai-01", "east", parents)
    assert is_below("east", "east", parents)
    assert not is_below("east", "shanghai", parents)
    assert not is_below("nowhere", "east", parents)


def test_a_circle_in_old_data_ends_the_search() -> None:
    assert not is_below("a", "c", {"a": "b", "b": "a"})


def test_every_shipped_department_has_a_chinese_and_an_english_name() -> None:
    assert {unit.slug for unit in SHIPPED_UNITS} == {
        "product",
        "customer-service",
        "design",
        "marketing",
        "logistics",
    }
    assert all({"zh-CN", "en"} <= unit.names.keys() for unit in SHIPPED_UNITS)
