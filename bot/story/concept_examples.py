"""Worked examples that show a small model what a field looks like.

Invariant: no value here is ever taken as a model's own; ``parse_field`` rejects
copies. The examples share no name or phrase with the fallback tables.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One whole concept."""

    premise: str
    genre: str
    setting: str
    theme: str
    cast: tuple[tuple[str, str], ...]
    plot: tuple[str, str, str]
    title: str


EXAMPLES: tuple[Example, ...] = (
    Example(
        premise="A girl finds a door in an oak tree.",
        genre="fantasy",
        setting="an old oak wood behind a mill",
        theme="growing up without forgetting",
        cast=(("Wren", "a curious girl of nine"), ("Old Hob", "the keeper of the door")),
        plot=(
            "Wren steps through the door and finds a smaller wood",
            "Old Hob tells her that the door closes at dusk",
            "Wren gives up her favourite story to get home",
        ),
        title="The Door in the Oak",
    ),
    Example(
        premise="A painting vanishes during a dinner party.",
        genre="mystery",
        setting="a country house in the rain",
        theme="envy between old friends",
        cast=(("Inspector Vale", "a patient policeman"), ("Lady Crewe", "a hostess with debts")),
        plot=(
            "Inspector Vale is called when the lights go out and the painting is gone",
            "Lady Crewe admits that she had sold it already",
            "the thief turns out to have stolen a copy",
        ),
        title="Nine for Dinner",
    ),
    Example(
        premise="A robot on Mars is left behind.",
        genre="science fiction",
        setting="an abandoned base on the red plains of Mars",
        theme="loneliness and duty",
        cast=(("Unit Seven", "a robot that still waters the plants"), ("Kato", "a late rescuer")),
        plot=(
            "Unit Seven counts the days since the last ship",
            "a dust storm uncovers an old radio",
            "Kato hears the call and turns the ship around",
        ),
        title="The Gardener of Mars",
    ),
    Example(
        premise="Two rival cooks must share one kitchen.",
        genre="romance",
        setting="a small restaurant by the sea",
        theme="pride giving way to love",
        cast=(("Lucia", "a cook who follows no recipe"), ("Anders", "a cook who follows all")),
        plot=(
            "Lucia and Anders are given the same kitchen by mistake",
            "a storm forces them to cook for the whole harbour",
            "they write one menu together",
        ),
        title="One Kitchen, Two Knives",
    ),
    Example(
        premise="A boy hears his name from the bottom of a well.",
        genre="horror",
        setting="a dry farm at the end of a long road",
        theme="secrets that families keep",
        cast=(("Daniel", "a boy who sleeps badly"), ("Aunt Ruth", "a woman who fears the well")),
        plot=(
            "Daniel hears the voice on the first night",
            "Aunt Ruth nails boards across the well",
            "Daniel learns whose name he was given",
        ),
        title="The Voice Below",
    ),
    Example(
        premise="A sailor follows a map drawn by a child.",
        genre="adventure",
        setting="the warm seas south of the trade winds",
        theme="trusting a foolish hope",
        cast=(("Captain Brandt", "a sailor without a crew"), ("Pip", "the child who drew the map")),
        plot=(
            "Captain Brandt sees that the map shows a real coast",
            "pirates believe in the map more than he does",
            "the treasure is the village where Pip was born",
        ),
        title="The Crooked Map",
    ),
    Example(
        premise="A fox promises to teach a hen how to fly.",
        genre="fairy tale",
        setting="a farmyard beside a green hill",
        theme="being wiser than a flatterer",
        cast=(("Red Tom", "a smooth-tongued fox"), ("Speckle", "a hen who asks questions")),
        plot=(
            "Red Tom offers lessons at midnight",
            "Speckle asks to see him fly first",
            "Red Tom jumps from the barn and never comes back",
        ),
        title="The Fox Who Taught Flying",
    ),
    Example(
        premise="A town elects a donkey as its mayor.",
        genre="comedy",
        setting="a sleepy market town in summer",
        theme="people who believe what they like",
        cast=(("Barnaby", "a donkey of few words"), ("Mrs Plum", "his tireless secretary")),
        plot=(
            "Barnaby is put on the ballot by a printing mistake",
            "Mrs Plum explains his silence as wisdom",
            "the town is run better than ever before",
        ),
        title="Mayor Barnaby",
    ),
)
