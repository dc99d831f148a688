"""The simulators' modules import each other without a circle, the imports for type checkers included."""

from __future__ import annotations

import graphlib

import pytest

from tests.test_purity import MODULES, imports


def test_no_module_of_the_simulators_needs_itself() -> None:
    graph = {
        module.name: {name for name in imports(module) if ".sim" in name}
        for module in MODULES
        if module.package == "sim"
    }
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"these import each other in a circle: {' -> '.join(error.args[1])}")
    assert order.index("wxsdk.sim.aibot.state") < order.index("wxsdk.sim.aibot.desk")
