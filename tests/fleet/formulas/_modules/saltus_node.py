"""A module as the formulas have one, for tests of bringing modules to minions."""


def versions():
    return {"nova": "26.1.0"}
