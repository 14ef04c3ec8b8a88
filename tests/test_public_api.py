import importlib

import frustra


def test_every_public_name_is_there_and_documented() -> None:
    for name in frustra.__all__:
        assert getattr(frustra, name).__doc__, name


def test_names_are_sorted_and_come_from_one_module_each() -> None:
    assert frustra.__all__ == sorted(set(frustra.__all__))
    assert dir(frustra) == frustra.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(frustra, "no_such_name")


def test_public_names_are_those_of_their_modules() -> None:
    for name in frustra.__all__:
        home = getattr(frustra, name).__module__
        assert getattr(importlib.import_module(home), name) is getattr(frustra, name)
