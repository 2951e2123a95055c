"""Sentences that the prompts of a real model are made of.

Invariant: a shuffle of them reads as the middle of some story, so that a model's next
words are as sure as they are in use, and agreement of tokens means what it means there.
"""

SENTENCES = (
    "The ferry left the harbour an hour before dawn, and nobody waved.",
    "Ilse counted the lanterns along the quay and found one too many.",
    "Her brother had promised to write, but the postman only shook his head.",
    "On the third day the fog lifted, and the island was closer than the map allowed.",
    "“You should not have opened that door,” said the old man without turning round.",
    "The clock in the hall struck thirteen, as it did whenever somebody lied.",
    "They ate bread and cold soup, and spoke of anything but the letter.",
    "Under the floorboards lay a tin box, a pair of gloves and a photograph of the same room.",
    "The dog would not cross the bridge, however kindly they asked.",
    "By evening the river had risen to the second step of the mill.",
    "He had been a soldier once, though he never said on which side.",
    "“Then we shall walk,” she answered, and put out the lamp.",
    "The children had seen the ship first, a dark stroke between sea and sky.",
    "Nothing in the garden had been touched except the roses, which were gone.",
    "A key turned somewhere above them, slowly, as if it had all night.",
    "The captain kept two logbooks, and only one of them was true.",
    "In the village they said that the tower had been built in a single winter.",
    "She read the last line twice, folded the page and laid it on the fire.",
    "Snow fell on the market square, on the empty stalls and on the sleeping horses.",
    "When the music stopped, there was one dancer more than there had been.",
)
