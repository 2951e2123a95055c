# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import pytest

from bot.text.drift import ANYWHERE_RULES, LINE_RULES, SENTENCE_RULES, explain_drift, find_drift

STORY = "The fox ran over the hill. Mira saw it go."

# Rule, then what leaves the story by it. Each rule has one example at least.
DRIFTING = {
    "heading": ["# The Fox", "## Chapter summary", "=== Next", "The Fox\n-------\n"],
    "bullet": ["• One thing", "- Write about the fox", "* Add more detail"],
    "numbered": ["1. What did the fox do?", "2) Hide", "(a) the fox", "A. The fox\nB. The hen"],
    "code": ["```python", "def run(fox):", "import os", "<div class='x'>", "| fox | hen |", "{\n"],
    "bold_label": ["**Title:** The Fox", "**The Fox**\n", "**Moral**: be kind"],
    "placeholder": ["[Insert name here]", "[End of story]", "[Your name]"],
    "label": [
        "Question: What did the fox do?",
        "Title: The Fox",
        "Answer: 238567",
        "Author's note: I wrote this.",
        "Author’s Note: I wrote this.",
        "Q: Who?",
        "Question 3: Who?",
        "Word count: 250",
        "User: more",
        "Assistant: Yes",
        "Note: the fox is red.",
        "Writing Prompt: a fox",
        "Title：The Fox",
    ],
    "page_furniture": [
        "Advertisement",
        "Read more stories",
        "Click here to go on",
        "Copyright 2019",
        "© Fox Press",
        "To be continued...",
        "Continue reading",
    ],
    "sum": ["3 + 4 = 7", "238,567 x 3", "x = 5", "$5 * 3"],
    "as_an_ai": ["As an AI, I cannot.", "As a language model, I know."],
    "i_am_an_ai": ["I'm an AI language model.", "I am here to help you."],
    "refusal": ["I'm sorry, but I can't assist with that.", "I cannot continue this story."],
    "eager": ["Sure! Here is a story.", "Certainly, I'd be happy to.", "Of course! Let's continue"],
    "here_is": ["Here is a revised version of it.", "Here's the continuation", "Here are some:\n"],
    "wish": [
        "I'd like you to expand on this.",
        "I want you to write more.",
        "I would like to know more about the character.",
        "I need help with my essay",
    ],
    "request": [
        "Can you expand on that?",
        "Could you please add more detail?",
        "Please provide an ending.",
        "Please note that the fox is red.",
    ],
    "task": [
        "Rewrite the paragraph so that it rhymes.",
        "Rewrite this sentence.",
        "Write a story about a fox.",
        "Describe the character in your own words.",
        "Now, continue the story.",
        "Use the following words.",
        "Summarize the passage.",
        "Fill in the blanks.",
    ],
    "answer": [
        "The answer is: 238567",
        "The answer is 42.",
        "So the correct answer is B.",
        "The answer to this riddle is: a fox.",
    ],
    "answer_to": ["The answer to the question is simple."],
    "in_this_story": ["In this story, the fox learns.", "At the end of the story, he wins."],
    "this_story": [
        "This story shows us that",
        "This short tale teaches kindness.",
        "This passage is",
    ],
    "the_story": [
        "The story ends with the fox.",
        "The story explores hope.",
        "The passage describes a fox.",
        "The story is about a fox.",
    ],
    "on_telling": [
        "This story was made with no references.",
        "The story of the fox in the mill was very interesting and funny.",
        "This is a special ending.",
        "It's a very simple story with no embellishments.",
        "The ending is the most special and interesting.",
        "The end will be the most exciting ending.",
        "I have to make a more interesting ending.",
        "You will be given a list of questions in the future.",
        'For example, you might ask, "Why?"',
    ],
    "criticism": [
        "The main character is a fox.",
        "The theme of this story is hope.",
        "The author uses irony.",
        "The protagonist is a fox.",
    ],
    "to_the_reader": [
        "I hope this helps!",
        "Let me know if you want more.",
        "Thank you for reading!",
        "What do you think will happen?",
        "Did you enjoy this story?",
    ],
    "demand": [
        "Your task is to write a fable.",
        "The story should be 200 words.",
        "Make sure to include a fox.",
        "You should use at least three characters.",
        "You are an expert in foxes.",
    ],
    "conclusion": [
        "In conclusion, foxes are red.",
        "To summarize, he ran.",
        "Overall, the story is",
    ],
    "which": ["Which of the following is true?", "What is the main idea?", "True or false"],
    "of_the_story": [
        "The story begins.",
        "The story took a turning point when the fox came.",
        "And that's when the story started.",
        "They just walked on, and that's how the story ended.",
        "This was a long story, but the fox was old.",
        "As the story unfolded, they were curious.",
        "In a different story, it could be about a hare.",
        "You can't help but be amazed at the beauty of storytelling.",
    ],
    "part_of_text": [
        'The sentence "He ran" is quite good.',
        "The next paragraph is about the fox.",
        "In the last chapter, it was not a fox.",
        "This kind of storytelling has its place.",
    ],
    "name_of_text": ["A story.", "The Last Chapter\n", "Awesome story.", "Story ends."],
    "writer": [
        "I put the ending in a numbered list.",
        "How could I have said better?",
        "Write me again with an improved grammar.",
        "In a short time, you've added a new scene.",
    ],
    "two_of_text": [
        "He wondered how the reader could find a dialogue.",
        "It would continue in another chapter, with a new story.",
    ],
    "edition": ["Disclaimer: none.", "Moral of the story: be kind."],
    "address": ["See https://fox.example/a", "Go to www.fox.example now", "Write to me@fox.org"],
    "code_mark": ["The fox ``` ran", "The fox <|im_end|>", "He <br> ran", "It is $$x$$"],
    "role_mark": ["The fox [INST] ran", "He ran ### Response"],
    "word_count": ["The fox ran. (250 words)", "He ran. Word count: 20"],
}

PROSE = [
    (
        "Mira had been sitting under the elm so long that the shade had wandered off without her. "
        "“The answer is no,” said the toad, “and it was no yesterday.” She thought about that. The "
        "answer was always no with toads. What was she to do? In the end she went after the shade."
    ),
    (
        '"Rewrite the letter," said the Duchess, "and write it in green." The clerk wrote it in green. '
        '"Please write it once more!" she cried. "Question: who is the clerk here?" He did not know.'
    ),
    (
        "“Can you explain that?” asked the hare. Nobody could. There were, all told, three of them at "
        "the table: the hare, the hatter, and a teapot that had opinions. Note the teapot. It matters."
    ),
    (
        "This was the story that her grandmother told: a king had two sons. The story went on until the "
        "candle was out. The tale was an old one, and the book lay open on the table. The end of the "
        "road came in sight. The author of all this trouble was, of course, the goat."
    ),
    (
        "Here is the house, and here is the door. Here are the two of us, waiting. I would like to go "
        "home, I thought. I want you to know that I tried. I can't help you, I wrote, and I was sorry."
    ),
    (
        "* * *\n\nThe next day it rained. — Come in, she said.\n— I will.\n\n***\n\nIt was 7.30 a.m. "
        "on the 3rd. Room 12 was empty. 1984 was a bad year."
    ),
    "Chapter Two\n\nThe Fox\n\nAll that night he ran. “I am an old fox,” he said, “and you are a hen.”",
    "ALICE: Who are you?\nTHE CATERPILLAR: You.\n\nINT. KITCHEN - NIGHT\n\nAlice sits.",
    (
        "Sure, he was late. Of course, I knew. Yes, here is where it happened. Please, she thought, let "
        "it be over. You must go, the wind said. Your task is done. The setting sun was red. The plot "
        "of land was small, and the tone of the bell was soft. The main road was empty."
    ),
    (
        "Moral: slow and steady wins.\n\nUse the stairs, the sign said. Read the sky, fisherman. Write "
        "to me, he said, when the snow is gone. Imagine the cold! Add to that the dark. Consider the hen."
    ),
    "She counted: one, two, three. Then she opened the door.\n\nThe End",
    "他说：“答案是三。”他走了。",
]


@pytest.mark.parametrize(
    ("rule", "example"), [(rule, example) for rule, many in DRIFTING.items() for example in many]
)
def test_the_text_is_left_where_the_story_ends(rule: str, example: str) -> None:
    is_line_rule = rule in {entry.name for entry in LINE_RULES}
    for joint in ("\n", "\n\n") if is_line_rule else (" ", "\n", "\n\n"):
        text = f"{STORY}{joint}{example}"
        drift = explain_drift(text)
        assert drift is not None
        assert len(STORY) < drift.offset <= len(text)
        assert find_drift(text, only_end=True) == drift.offset


def test_every_rule_has_an_example_that_it_catches_first() -> None:
    caught = {
        drift.rule
        for many in DRIFTING.values()
        for example in many
        if (drift := explain_drift(f"{STORY}\n{example}"))
    }
    assert caught >= {rule.name for rule in (*LINE_RULES, *SENTENCE_RULES, *ANYWHERE_RULES)}


@pytest.mark.parametrize("prose", PROSE)
def test_prose_stays_in_the_story(prose: str) -> None:
    for end in range(len(prose) + 1):
        drift = explain_drift(prose[:end])
        assert drift is None, (drift, prose[drift.offset :][:60])


def test_speech_that_began_before_the_text_excuses_it() -> None:
    assert find_drift(" I see. The answer is 42.” He left.", "She said, “Well.") is None
    assert find_drift(" I see. The answer is 42.” He left.", "She said.") == 8


def test_the_first_words_are_no_line_where_the_text_goes_on_in_one() -> None:
    assert find_drift("- he said", "Stop!") is None
    assert find_drift("- he said", "Stop!\n") == 0
    assert find_drift("- he said") == 0


def test_what_follows_the_end_has_left_the_story() -> None:
    assert find_drift("He slept.\n\nThe End") is None
    assert find_drift("He slept.\n\nThe End.") is None
    text = "He slept.\n\nThe End.\n\nThe fox is a mammal."
    assert explain_drift(text) is not None
    assert find_drift(text) == text.index("\n\nThe fox")


def test_the_whole_sentence_that_holds_an_address_is_left_out() -> None:
    assert find_drift("He ran. See it on www.fox.example today. He hid.") == 8
