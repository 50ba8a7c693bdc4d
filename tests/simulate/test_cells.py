"""Idealised cells and tags say of a prompt what the sketches would."""

import numpy as np
import numpy.typing as npt
import pytest

from stillwatch.model.capability import Capability
from stillwatch.simulate import Campaign, World, scenario
from stillwatch.simulate.build import populate
from stillwatch.simulate.cells import capabilities, micro_cells
from stillwatch.simulate.population import Population
from stillwatch.simulate.traffic import Exchanges, draw_day

N_SIGNS = 12


@pytest.fixture(scope="module")
def drawn() -> tuple[Population, Exchanges]:
    """One day of a small honest world and a queue of 200 accounts with 60 templates."""
    queue = Campaign(name="queue", n_accounts=200, templates=60)
    world = World(honest=scenario("demo").at_scale(0.2).honest, campaigns=(queue,), n_days=4, release_day=2)
    population = populate(world, seed=3)
    return population, draw_day(world, population, seed=3, day=3)


def differing(cells: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]) -> float:
    """Share of signs in which two neighbours differ, of those pairs that are chosen."""
    differ = np.unpackbits((cells[1:] ^ cells[:-1]).astype(">u2").view(np.uint8)).reshape(-1, 16).sum(axis=1)
    return float(differ[chosen].mean() / N_SIGNS)


def test_prompts_of_one_template_are_nearer_where_they_are_of_one_topic(
    drawn: tuple[Population, Exchanges],
) -> None:
    population, exchanges = drawn
    queue = exchanges.reorder(np.flatnonzero(population.streams["from_queue"][exchanges.stream]))
    by_topic = queue.reorder(np.lexsort((queue.item, queue.topic, queue.template)))
    by_item = queue.reorder(np.lexsort((queue.item, queue.template)))
    # Measured at the event level: 0.27 to 0.28, and 0.34 to 0.35.
    near = differing(micro_cells(population, by_topic), of_one_template(by_topic) & (np.diff(by_topic.topic) == 0))
    far = differing(micro_cells(population, by_item), of_one_template(by_item) & (np.diff(by_item.topic) != 0))
    assert near == pytest.approx(0.27, abs=0.02)
    assert far == pytest.approx(0.345, abs=0.02)


def of_one_template(exchanges: Exchanges) -> npt.NDArray[np.bool_]:
    """Whether each exchange and the one before are different prompts of one template."""
    same = (np.diff(exchanges.template) == 0) & (exchanges.template[1:] >= 0)
    return np.asarray(same & (exchanges.item[1:] != exchanges.item[:-1]))


def test_equal_prompts_have_equal_cells(drawn: tuple[Population, Exchanges]) -> None:
    population, exchanges = drawn
    repeats = exchanges.reorder(np.repeat(np.arange(0, len(exchanges), 7), 2))
    cells = micro_cells(population, repeats)
    assert (cells[::2] == cells[1::2]).all()
    assert 0 <= cells.min() < cells.max() < 1 << N_SIGNS


def test_a_prompt_with_tool_definitions_is_tagged_as_tool_use_unless_it_reads_like_agentic_work_or_grading(
    drawn: tuple[Population, Exchanges],
) -> None:
    population, exchanges = drawn
    tags = capabilities(population, exchanges)
    has_tools = exchanges.tools > 0
    expected = [Capability.AGENTIC_REASONING, Capability.TOOL_USE, Capability.RUBRIC_GRADING]
    assert set(tags[has_tools].tolist()) == {capability.code for capability in expected}
    assert len(np.unique(tags[~has_tools])) == len(Capability)
