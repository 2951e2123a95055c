"""Names, themes, settings, roles, plots and titles that serve where nobody gave one.

Invariant: plain data. ``{hero}`` and ``{friend}`` are the only placeholders, in plots
alone; ``{hero}`` alone stands in titles. Every table has an entry for every genre in ``GENRES``.
"""

from collections.abc import Mapping, Sequence

GENRES: tuple[str, ...] = (
    "fantasy",
    "mystery",
    "science fiction",
    "fairy tale",
    "horror",
    "romance",
    "adventure",
    "comedy",
    "historical",
)

# How people also write them.
GENRE_ALIASES: Mapping[str, str] = {
    "sci-fi": "science fiction",
    "scifi": "science fiction",
    "sf": "science fiction",
    "detective": "mystery",
    "crime": "mystery",
    "thriller": "mystery",
    "fairytale": "fairy tale",
    "folk tale": "fairy tale",
    "fable": "fairy tale",
    "ghost story": "horror",
    "gothic": "horror",
    "love story": "romance",
    "humour": "comedy",
    "humor": "comedy",
    "humorous": "comedy",
    "history": "historical",
    "historical fiction": "historical",
    "epic fantasy": "fantasy",
}

# Beginnings of words in a premise that give its genre away.
GENRE_CLUES: Mapping[str, tuple[str, ...]] = {
    "fantasy": ("dragon", "wizard", "magic", "spell", "elf", "elves", "sorcer", "rune", "griffin"),
    "mystery": ("detective", "murder", "clue", "stolen", "missing", "crime", "witness", "alibi"),
    "science fiction": (
        "robot",
        "spaceship",
        "starship",
        "planet",
        "alien",
        "android",
        "mars",
        "orbit",
        "colony",
        "galax",
    ),
    "fairy tale": ("princess", "woodcutter", "stepmother", "talking fox", "giant", "witch", "frog"),
    "horror": ("ghost", "haunt", "blood", "vampire", "nightmare", "grave", "werewol", "scream"),
    "romance": ("love", "wedding", "kiss", "sweetheart", "bride", "heart"),
    "adventure": ("treasure", "map", "island", "pirate", "expedition", "jungle", "summit", "sail"),
    "comedy": ("clumsy", "funny", "prank", "hilarious", "absurd", "goose", "joke"),
    "historical": ("war", "queen", "emperor", "rome", "roman", "victorian", "viking", "revolution"),
}

NAMES: tuple[str, ...] = (
    "Ada",
    "Alban",
    "Anwen",
    "Basil",
    "Bram",
    "Briony",
    "Caspian",
    "Clara",
    "Corin",
    "Delphine",
    "Edda",
    "Elias",
    "Fenna",
    "Gideon",
    "Greta",
    "Hester",
    "Idris",
    "Ines",
    "Jonas",
    "Juniper",
    "Kasimir",
    "Leona",
    "Lucan",
    "Mabel",
    "Marek",
    "Nadia",
    "Nell",
    "Orla",
    "Osric",
    "Petra",
    "Quentin",
    "Rosalind",
    "Rufus",
    "Selma",
    "Silas",
    "Tamsin",
    "Theo",
    "Ursula",
    "Viola",
    "Wendel",
    "Yara",
    "Zora",
)

THEMES: Mapping[str, tuple[str, ...]] = {
    "fantasy": (
        "the price of a promise made too quickly",
        "power that costs its owner something each time",
        "finding courage in a small and ordinary place",
        "what is owed to those who came before",
    ),
    "mystery": (
        "the lies that kind people tell",
        "how an old wrong comes back",
        "seeing what everybody else overlooks",
        "loyalty against the truth",
    ),
    "science fiction": (
        "what makes a mind a person",
        "being very far from home",
        "tools that outgrow their makers",
        "remembering a world that is gone",
    ),
    "fairy tale": (
        "kindness that is repaid in an unexpected way",
        "the third wish",
        "cleverness against strength",
        "learning to see behind a disguise",
    ),
    "horror": (
        "a guilt that will not stay buried",
        "curiosity that goes one door too far",
        "the fear of being forgotten",
        "home as the least safe of places",
    ),
    "romance": (
        "second chances",
        "saying what was left unsaid",
        "love between people who should be rivals",
        "learning to trust again",
    ),
    "adventure": (
        "the way there matters more than the prize",
        "friendship under pressure",
        "knowing when to turn back",
        "proving oneself to nobody but oneself",
    ),
    "comedy": (
        "a small lie that grows",
        "pride before a very wet fall",
        "good intentions, badly timed",
        "how a nuisance becomes a friend",
    ),
    "historical": (
        "ordinary people in the path of great events",
        "duty against conscience",
        "the end of one age and the start of another",
        "keeping a family together",
    ),
}

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "fantasy": (
        "a harbour town where the fog never lifts",
        "a mountain monastery that keeps the weather in jars",
        "a walled city built on the back of a sleeping giant",
        "a forest whose paths change every night",
    ),
    "mystery": (
        "a snowed-in hotel high above the last village",
        "a quiet street of antique shops",
        "a university library in the week before the examinations",
        "a night train that should not have stopped",
    ),
    "science fiction": (
        "a mining station in the rings of Saturn",
        "the last greenhouse on a dry world",
        "a generation ship whose captain has stopped answering",
        "a flooded city kept running by its machines",
    ),
    "fairy tale": (
        "a mill at the edge of a wood that no one enters",
        "a kingdom where nobody has laughed for seven years",
        "a cottage with one door too many",
        "a village that trades with the moon",
    ),
    "horror": (
        "a lighthouse that was never on any chart",
        "an empty school in the summer holidays",
        "a house whose cellar is larger than its garden",
        "a valley where the church bells ring by themselves",
    ),
    "romance": (
        "a bookshop by the canal",
        "an island reached by one ferry a day",
        "a bakery that opens at four in the morning",
        "a vineyard in the weeks before the harvest",
    ),
    "adventure": (
        "a river that no map follows to its source",
        "an archipelago in the season of storms",
        "a desert crossed by a single caravan road",
        "a mountain pass that opens three days a year",
    ),
    "comedy": (
        "a village hall on the day of the flower show",
        "the worst hotel on the whole coast",
        "a theatre whose leading man has lost his voice",
        "an office on its last day before moving out",
    ),
    "historical": (
        "a weaving town in the year of the first machines",
        "a besieged city on the Rhine",
        "a trading post on the Silk Road",
        "London in the winter of the frost fair",
    ),
}

COMPANIONS: Sequence[str] = (
    "a friend from long ago",
    "a stranger who knows more than they say",
    "a rival with the same wish",
    "a neighbour who misses nothing",
    "a visitor with a favour to ask",
)
"""Who may go with the hero of any premise."""

# Lines for a hero and for a companion, in that order, by genre.
ROLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "fantasy": (
        ("a lamplighter who is afraid of the dark", "a retired spell-smith with a bad memory"),
        ("a mapmaker's apprentice who cannot lie", "a talking raven who does little else"),
        ("a young ferry-keeper with a borrowed name", "a knight who has mislaid her oath"),
    ),
    "mystery": (
        ("a clockmaker who notices what others miss", "a constable who would rather be fishing"),
        ("a librarian with a perfect memory", "a journalist who trusts nobody"),
        ("a retired judge on holiday", "a chambermaid who hears everything"),
    ),
    "science fiction": (
        ("a repair technician who talks to machines", "a cargo drone that has learned to answer"),
        ("a botanist with the last living seed", "a pilot who has not slept for days"),
        ("an archivist of a vanished Earth", "a child who was born between the stars"),
    ),
    "fairy tale": (
        ("the miller's youngest child", "a fox who owes a favour"),
        ("a goose girl with a golden comb", "a giant who is ashamed of his size"),
        ("a tailor who sews with moonlight", "an old woman nobody remembers inviting"),
    ),
    "horror": (
        ("a caretaker who came for the silence", "a neighbour who will not step inside"),
        ("a student who records old songs", "a sexton who locks his door at noon"),
        ("a doctor new to the valley", "a patient who casts no reflection"),
    ),
    "romance": (
        ("a bookbinder who never finishes a letter", "a cellist back after ten years"),
        ("a baker with a famous temper", "an inspector of weights and measures"),
        ("a botanist who talks to her plants", "a ferryman who reads poetry"),
    ),
    "adventure": (
        ("a surveyor with a forged map", "a guide who never takes the same road twice"),
        ("a ship's cook who can read the stars", "a captain with one voyage left"),
        ("a pilot of a very old aeroplane", "a stowaway who knows the way"),
    ),
    "comedy": (
        ("a mayor who cannot say no", "a goose with strong opinions"),
        ("an understudy on her first night", "a stage manager on his last nerve"),
        ("a very polite burglar", "the lady of the house, who is delighted"),
    ),
    "historical": (
        ("a printer's daughter who can set type in the dark", "a soldier who wants to go home"),
        ("a weaver with four brothers to feed", "an engineer from the city"),
        ("a messenger on a stolen horse", "an innkeeper who forgets every face"),
    ),
}

SKELETONS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "fantasy": (
        (
            "{hero} finds something that should not exist",
            "{friend} reveals what using it will cost",
            "{hero} pays the price, and it is not the one they feared",
        ),
        (
            "a promise from long ago is claimed from {hero}",
            "{hero} and {friend} look for a way around its words",
            "the promise is kept in a way nobody had thought of",
        ),
    ),
    "mystery": (
        (
            "something is missing, and only {hero} notices",
            "{friend} hides a piece of the truth for a good reason",
            "{hero} finds the one who did it, and must decide what to say",
        ),
        (
            "a stranger asks {hero} a question about the past",
            "two people tell the same story with one small difference",
            "the difference leads {hero} to the answer",
        ),
    ),
    "science fiction": (
        (
            "{hero} receives a signal that should be impossible",
            "{friend} wants to answer it, and the others do not",
            "they learn who sent it, and why it took so long",
        ),
        (
            "a machine that {hero} relies on begins to ask questions",
            "{hero} has to choose between the rules and {friend}",
            "the choice changes what everybody calls home",
        ),
    ),
    "fairy tale": (
        (
            "{hero} shares a last piece of bread with a stranger",
            "three tasks are set, and {friend} helps with each",
            "the stranger is revealed, and the gift returns many times over",
        ),
        (
            "{hero} enters the one place that is forbidden",
            "a bargain is struck whose words are trickier than they seem",
            "{hero} wins by keeping the bargain to the letter",
        ),
    ),
    "horror": (
        (
            "{hero} hears something that nobody else will speak of",
            "{friend} warns {hero}, and is gone by morning",
            "{hero} opens the last door and understands the warning",
        ),
        (
            "small things begin to go missing, then larger ones",
            "{hero} finds a record of the same events, a hundred years old",
            "the record has one page left, and {hero}'s name is on it",
        ),
    ),
    "romance": (
        (
            "{hero} and {friend} meet over a mistake",
            "they must work together, and begin to look forward to it",
            "a secret nearly ends it, until one of them speaks first",
        ),
        (
            "{friend} comes back after many years",
            "{hero} finds the letter that never arrived",
            "they read it together, late but not too late",
        ),
    ),
    "adventure": (
        (
            "{hero} gets hold of half a map",
            "{friend} has the other half and a reason to hide it",
            "at the end of the road the prize is not what either expected",
        ),
        (
            "{hero} sets out against all advice",
            "a storm takes nearly everything they carry",
            "with what is left, {hero} and {friend} find another way",
        ),
    ),
    "comedy": (
        (
            "{hero} tells one small lie to save the day",
            "{friend} believes it and makes everything worse",
            "the truth comes out at the worst moment, and turns out to be funnier",
        ),
        (
            "everything is ready for an important guest",
            "{hero} mistakes the wrong person for the guest",
            "the real guest has been watching all along, and enjoyed it",
        ),
    ),
    "historical": (
        (
            "{hero} hears news that will change everything",
            "{hero} hides {friend} at great risk",
            "the danger passes, and they part as different people",
        ),
        (
            "{hero} is asked to carry a message and not to read it",
            "{friend} persuades {hero} to open it",
            "{hero} delivers another message in its place",
        ),
    ),
}

TITLES: Mapping[str, tuple[str, ...]] = {
    "fantasy": (
        "{hero} and the Borrowed Name",
        "What the Fog Keeps",
        "The Last Lantern",
        "{hero}'s Oath",
    ),
    "mystery": (
        "The Second Version",
        "{hero} Looks Twice",
        "A Small Difference",
        "The Room That Was Not Booked",
    ),
    "science fiction": (
        "The Long Answer",
        "A Signal for {hero}",
        "Greenhouse",
        "The Quiet Between Stations",
    ),
    "fairy tale": (
        "{hero} and the Seventh Door",
        "The Bread and the Stranger",
        "The Comb of Gold",
        "How {hero} Kept Their Word",
    ),
    "horror": (
        "The Bells of the Valley",
        "What {hero} Heard",
        "One Page Left",
        "The Larger Cellar",
    ),
    "romance": (
        "Late but Not Too Late",
        "A Letter for {hero}",
        "Four in the Morning",
        "The Unsent Page",
    ),
    "adventure": ("Half a Map", "{hero} Against the River", "Three Days a Year", "The Other Way"),
    "comedy": ("The Wrong Guest", "{hero} Says Yes", "A Very Small Lie", "The Goose Objects"),
    "historical": (
        "The Winter Message",
        "{hero}'s Four Brothers",
        "The Frost Fair",
        "Set in the Dark",
    ),
}
