# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import pytest

from bot.text.names import find_names, name_words


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Once Mira Vale met Tom.", ["Mira Vale", "Tom"]),
        ("The cat saw Mira's dog and Tom’s hat.", ["Mira", "Tom"]),
        ("She met Mr. Darcy and Dr Watson in London.", ["Mr. Darcy", "Dr Watson", "London"]),
        ("He served the Duke of York well.", ["Duke of York"]),
        ("We saw Ludwig van Beethoven there.", ["Ludwig van Beethoven"]),
        ("It was the King. A Prince of no land came.", []),
        ("Bran came. Bran laughed.", ["Bran"]),
        ("Rain fell. Rain stopped the rain.", []),
        ("Suddenly it fell. Suddenly it stopped. The end. The night.", []),
        ('He said, "Perhaps. Come, Tom."', ["Tom"]),
        ("On Monday I said that I'm here; oh, God, the French.", []),
        ("I met Tom. Will said no. Then Will and Tom left.", ["Tom", "Will"]),
        ("THE END of it all, said NASA to you.", []),
        ("Jean-Luc saw him. They called Jean-Luc.", ["Jean-Luc"]),
        ("他走了。", []),
        ("", []),
        ("She saw Mira, Tom and Ann of them all.", ["Mira", "Tom", "Ann"]),
        ("She met Ann of the", ["Ann"]),
        ("She met Ann of\nthe King", ["Ann"]),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert find_names(text) == names


def test_single_words_of_names_are_given_for_exemption() -> None:
    assert name_words("She met Mira Vale and the Duke of York.") == {"Mira", "Vale", "Duke", "York"}
