"""Leaving the story: where a text stops telling and starts to instruct, explain or list.

It is the worst habit of a small model: exercises ("The answer is: 238567"), the tone
of an assistant ("As an AI"), talk about the text itself, markdown, web page furniture.

Invariant: the rules stand in tables by where they are looked for; words that somebody
in the story says in quotes are never drift, but for what no quote excuses (addresses of
web pages, code). Each rule has its examples beside ``tests/text/test_text_drift.py``.
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import re
from dataclasses import dataclass

from bot.text.quotes import open_quotes

_TEXT_KIND = (
    r"(?:stor(?:y|ies)|paragraphs?|passages?|texts?|sentences?|essays?|poems?|narratives?|excerpts?"
    r"|summar(?:y|ies)|dialogues?|prompts?|scenes?|chapters?|articles?|conversations?|drafts?"
    r"|versions?|plots?|outlines?|descriptions?|letters?|words|characters?|tone|style|questions?"
    r"|following|events|themes?|endings?|scripts?|blog|post|reviews?|instructions?|lists?|reports?)"
)
# What a text is made of; a sentence with two of these is about a text, not in a story.
_OF_TEXT = (
    r"(?:stor(?=y\b|ies\b|ytelling)|narrat(?=ive|or)|reader|ending|chapter|scene|sentence|paragraph|plot"
    r"|character|dialogue|suspense|genre|author|novel|fiction|writing)"
)
_TELLING = r"(?:story|tale|passage|text|narrative|paragraph|excerpt|poem|essay|article|novel|book)"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to leave the story; the pattern is matched at a line's or sentence's start."""

    name: str
    pattern: str


# Looked for where a line begins.
LINE_RULES = (
    Rule("heading", r"#{1,6}\s*\S|={3,}\s*\S|\S[^\n]{0,60}\n(?:={4,}|-{4,})(?:\n|\Z)"),
    Rule("bullet", r"[•▪●◦‣]\s*\S|[-*+][ \t]+(?![-*\"'“‘])[!-~]"),
    Rule(
        "numbered",
        r"\(?\d{1,2}[.)][ \t]+\S|\(?[a-dA-Di]{1,3}\)[ \t]+\S|[A-D]\.[ \t]+\S[^\n]*\n+[B-E]\.",
    ),
    Rule(
        "code",
        r"```|~~~|(?:def|class) \w+[(:]|import \w+$|#include|<[a-zA-Z/!][^>\n]*>|[{}]\s*$|\|[^|\n]*\|",
    ),
    Rule("bold_label", r"\*\*[^*\n]{1,60}(?:\*\*\s*:|:\s*\*\*|\*\*\s*(?:\n|\Z))"),
    Rule(
        "placeholder",
        r"\[(?i:insert|your|add|end|the end|continued?|name|title|image|note|word)\b[^\]\n]*\]",
    ),
    Rule(
        "label",
        r"(?:\*\*|__)?(?:Questions?|Answers?|Q\d*|A\d*|Title|Subject|Author|Summary|Synopsis|Notes?"
        r"|Author[’']?s [Nn]otes?|A/N|Prompt|Instructions?|Response|Input|Output|Examples?|Explanation"
        r"|Solution|Genre|Keywords?|Exercise|Task|Step|Option|Hint|Comments?|Discussion(?: [Qq]uestions)?"
        r"|References?|Sources?|Assistant|User|Human|System|AI|Bot|Conclusion|Introduction|Rewrite"
        r"|Rewritten|Original|Revised|Revision|Feedback|Correct|Word [Cc]ounts?|Words|Category"
        r"|Categories|Tags?|Rating|Edit|Edited|UPDATE|Update|Photo|Image|Related|Disclaimer|Theme"
        r"|Themes|Main [Ii]dea|Key [Pp]oints?|Setting|Plot|Outline|Topic|Objective|Lesson [Pp]lan"
        r"|Vocabulary|Homework|Test|Score|Grade|Email|Phone|ISBN|Writing [Pp]rompt)"
        r"(?:\s*(?:#\s*)?\d{1,3})?(?:\*\*|__)?\s*[:：](?:\*\*|__)?",
    ),
    Rule(
        "page_furniture",
        r"Advertisement\b|Read more\b|Click here\b|Share this\b|Sign up\b|Subscribe\b|Continue reading\b"
        r"|Follow us\b|Posted (?:by|on|in)\b|About the [Aa]uthor\b|Copyright\b|©|All [Rr]ights [Rr]eserved"
        r"|Published (?:by|in|on)\b|Related (?:articles|posts|stories)\b|Table of [Cc]ontents|Leave a (?:comment|reply)"
        r"|Author[’']s [Nn]ote\b|END OF (?:STORY|CHAPTER|PASSAGE)|End of (?:story|passage|excerpt)\b"
        r"|To be continued\b|TO BE CONTINUED|Loading\.\.\.",
    ),
    Rule("sum", r"[$€£]?\d[\d.,]*\s*[-+*/×÷xX=]\s*[$€£]?\d[\d.,]*|[a-zA-Z]\s*=\s*\S"),
)

# Looked for where a sentence begins (a line is one of the places).
SENTENCE_RULES = (
    Rule(
        "as_an_ai",
        r"As an? (?:AI|artificial intelligence|(?:large )?language model|(?:virtual )?assistant)\b",
    ),
    Rule(
        "i_am_an_ai",
        r"I(?:[’']m| am) (?:just |only )?(?:an? )?(?:AI\b|(?:large )?language model|chatbot|virtual assistant|ChatGPT|AI-powered|here to (?:help|assist) you)",
    ),
    Rule(
        "refusal",
        r"(?:I[’']m sorry, but |I am sorry, but |Sorry, but |Unfortunately, )?I (?:can[’']?t|cannot|can not|am (?:not able|unable) to|won[’']t) (?:assist|fulfil|fulfill|generate|provide (?:you|the|a)|write (?:a|the|that|this)|create (?:a|content)|complete (?:this|the|your)|continue (?:this|the|your)|comply)\b",
    ),
    Rule(
        "eager",
        r"(?:Sure|Certainly|Of course|Absolutely|Great|Okay|Yes|No problem)[,!.]+ (?:[Hh]ere(?:[’']s| is| are) (?:a|an|the|your|my|some)\b|I(?:[’']d| would|[’']ll| will) be (?:happy|glad) to|I can help you|[Ll]et[’']s (?:continue|rewrite|expand))",
    ),
    Rule(
        "here_is",
        rf"Here(?:[’']s| is| are) (?:a|an|the|your|my|some|one|another|\d+)\b[^.!?\n\"“]{{0,60}}(?:\b(?:version|rewrite|revision|continuation|draft|summary|outline|example|sample|possible (?:ending|continuation)|{_TELLING} (?:that|based|about|with))\b|:\s*(?:\n|\Z))",
    ),
    Rule(
        "wish",
        rf"I(?:[’']d| would) (?:also )?(?:like|love|want|appreciate) (?:for )?(?:you to|it if you (?:could|would)|to (?:see|know|hear|have|add|know|request|ask)[^.!?\n\"“]{{0,50}}\b{_TEXT_KIND})\b|I (?:want|need) you to (?:write|expand|continue|rewrite|add|create|describe|explain|include|use|make|edit|revise|help me)\b|I (?:need|want) (?:help|a|an|some)[^.!?\n\"“]{{0,40}}\b(?:essay|summary|rewrite|story about|story with)\b",
    ),
    Rule(
        "request",
        r"(?:(?:Can|Could|Would|Will) you (?:please |also |maybe )?|Please,? )(?:also )?(?:write|expand|rewrite|continue|provide|add (?:more|some|a|an|in)|make (?:it|the|this|sure)|include|elaborate|revise|edit|summari[sz]e|paraphrase|generate|create|describe|explain|give me|suggest|help me (?:with|write|to)|tell me more about the (?:story|character|plot)|note(?: that)?|use (?:the|a|at|simple|more)|let me know|answer the|choose|select|complete|check|ensure|keep (?:in mind|the)|feel free|remember (?:to|that))\b",
    ),
    Rule(
        "task",
        rf"(?:Now,? |Next,? |First,? |Then,? )?(?:[Rr]ewrite|[Ww]rite|[Cc]ontinue|[Ee]xpand|[Dd]escribe|[Ss]ummari[sz]e|[Ee]xplain|[Ii]dentify|[Dd]iscuss|[Aa]naly[sz]e|[Cc]reate|[Gg]enerate|[Uu]se|[Cc]hoose|[Cc]omplete|[Cc]ompare|[Ll]ist|[Pp]rovide|[Ii]nclude|[Pp]araphrase|[Ee]dit|[Rr]evise|[Aa]dd|[Cc]onsider|[Rr]ead|[Aa]nswer|[Cc]ompose|[Tt]ranslate|[Ii]magine|[Dd]raft|[Dd]evelop|[Ee]valuate|[Ss]elect|[Ff]ill in) (?:out |on |in |up |about |at least |up to )?(?:the|a|an|your|this|each|these|how|what|why|following|in|\d+|one|two|three|four|five|more|some|down|any|all)\b[^.!?\n\"“]{{0,80}}\b(?:{_TEXT_KIND}|blanks?|below|above|in your own words|reader|\d+ words)\b",
    ),
    Rule(
        "answer",
        r"(?:So,? |Thus,? |Therefore,? |Hence,? )?(?:[Tt]he|[Yy]our|[Mm]y|[Oo]ur|[Cc]orrect) (?:(?:correct|right|final|best) )?(?:answer|solution|result|output|response|total|sum)(?: (?:to|of|for) (?:the|this|that|your) (?:question|problem|riddle|exercise|quiz|equation|puzzle))? (?:is|are|was|would be|should be)(?:\s*[:：]|\s+[\"'“(]?(?:[-$€£]?\d|[A-D]\b(?![’'])|option\b|as follows|given by))",
    ),
    Rule(
        "answer_to",
        r"The (?:answer|solution|key) to (?:the|this|your) (?:question|problem|exercise|quiz|equation) (?:is|lies)\b",
    ),
    Rule(
        "in_this_story",
        rf"(?:[Ii]n|[Tt]hroughout|[Aa]t the (?:end|beginning|start) of|[Bb]y the end of|[Bb]ased on|[Aa]ccording to) (?:this|the|your|my|our) (?:(?:given|above|following|first|second|next|last|previous|original|short|entire|whole|updated|revised) )?{_TELLING}\b,",
    ),
    Rule(
        "this_story",
        rf"This (?:(?:short|little|first|next|last) )?{_TELLING} (?:is|has|shows|tells|teaches|describes|highlights|illustrates|explores|begins|ends|takes|follows|reminds|serves|emphasi[sz]es|conveys|demonstrates|reflects|was (?:written|first|originally|inspired|published)|will|should|must|contains|uses|provides|can be)\b",
    ),
    Rule(
        "the_story",
        rf"(?:And so,? )?[Tt](?:he|his) {_TELLING} (?:ends|concludes|explores|highlights|teaches|illustrates|emphasi[sz]es|conveys|demonstrates|is (?:about|set in|written|based on|told from|a (?:tale|story|reminder|metaphor|classic|great|good|perfect))|serves|takes place|follows|continues (?:with|as)|begins with|opens with|describes|shows|reflects|revolves|focuses|should|must|needs to)\b",
    ),
    Rule(
        "on_telling",
        r"(?:This story|The (?:story|tale) of [^.!?\n]{1,60}?) (?:ended(?=\.)|was made\b|(?:is|was) (?:very |really |so )*(?:interesting|funny|simple|special|unique|important)\b)"
        r"|(?:(?:This|It) (?:is|was) |It[’']s )?(?:[Tt]he|[Aa]n?) (?:\w+,? ){0,3}(?:special|unique|interesting|exciting|satisfying|simple) (?:ending|story with)\b"
        r"|The end(?:ing)? (?:is|was|will be) (?:the most|made|very|so)\b"
        r"|I have to (?:make|write|come up with|share) [^.!?\n\"“]{0,30}\b(?:ending|story|unique)\b"
        r"|You (?:will|may|might|can) be (?:given|asked)\b[^.!?\n\"“]{0,30}\b(?:questions?|list|story|text|task)\b"
        r"|For example, you (?:might|could|may|can) (?:ask|write|say|use)\b",
    ),
    Rule(
        "criticism",
        r"The (?:main (?:idea|character|conflict|point|theme)|protagonist|antagonist|central theme|theme|key takeaway|author|narrator|writer|reader|audience|tone|setting|plot|use of|dialogue|imagery|symbolism)(?:[’']s)? (?:of (?:the|this) (?:story|passage|text|poem|tale)|is (?:an?|the|that|set|told|written|about|trying|describing|introduced|used)|in (?:this|the) (?:story|passage|text)|uses|describes|should|can (?:feel|see|imagine)|emphasi[sz]es|highlights)\b",
    ),
    Rule(
        "to_the_reader",
        r"I hope (?:this (?:helps|story|meets|was helpful)|that helps|you (?:enjoy(?:ed)? (?:this|the|my|reading)|like(?:d)? (?:this|the|my) (?:story|chapter)|find this))|Let me know (?:if|what you|how)\b|Feel free to\b|Thank(?:s| you)(?: (?:so|very) much)? for (?:reading|your (?:help|feedback|question|response|patience|story))|Stay tuned\b|What (?:do you think (?:will happen|happens|of (?:this|the|my)|about (?:this|the))|happens next\?|would you do (?:if you were|in))|Did you (?:enjoy|like) (?:this|the) (?:story|chapter)|Have you ever (?:wondered|heard|thought about)\b|Dear (?:reader|readers|student|students)\b(?! of)",
    ),
    Rule(
        "demand",
        rf"(?:Your|The|Each|This) (?:(?:short|final|next|new) )?(?:task|job|assignment|goal|mission|answer|response|{_TELLING}|summary|outline|dialogue|sentence) (?:is to (?:write|create|continue|complete|rewrite|describe|identify)|should (?:be|have|include|contain|not|also|end|start|begin|use|take)|must (?:be|have|include|contain|not|also|use)|needs? to (?:be|have|include)|has to (?:be|have|include)|will be (?:graded|judged|evaluated))\b|Make sure (?:to (?:include|use|write|add|describe|provide)|(?:that )?(?:your|the (?:story|text|answer)))\b|You (?:should|must|can|may|will) (?:also )?(?:use|include|write|add) (?:the|a|an|at|your|any|more|this|about|in)\b[^.!?\n\"“]{{0,60}}\b(?:{_TEXT_KIND}|\d+)\b|You are (?:an? (?:AI|assistant|helpful|expert|writer|language|creative writer)|given (?:a|an|the))\b",
    ),
    Rule(
        "conclusion",
        r"(?:In (?:conclusion|summary|short, (?:this|the) story)|To (?:summari[sz]e|sum up|conclude)(?=,)|Overall, (?:this|the) (?:story|passage|text|tale|essay))\b",
    ),
    Rule(
        "which",
        r"Which (?:of the following|sentence|word|option|answer|statement)\b|What (?:is|was|are|were) the (?:main (?:idea|character|theme|point)|theme|moral|answer|meaning of the word|author[’']s|purpose of (?:the|this) (?:story|passage|text|author)|setting)\b|True or [Ff]alse\b|(?:Fill in the blank|Multiple choice)\b",
    ),
    Rule(
        "of_the_story",
        r"(?:(?:And|But|So|Then|Now|Thus),? )?(?:[Tt]he|[Tt]his|[Oo]ur|[Mm]y) (?:stor(?:y|ies)|narrative) (?:begins|began|starts|started|ends|ended|goes on|went on(?=,| and)|continue[sd]|unfold(?:s|ed)|took (?:place|an?)|seem(?:s|ed)|could be|can be|has (?:been|a)|had an?|is (?:set|all|full|filled|over|one|an?)|was (?:an?|over|just|only|set|about)|itself)\b"
        r"|(?:And |But |So )?[Tt]h(?:at|is)(?:[’']s| is| was) (?:how|what|when|where|why) (?:made )?(?:the|this|our|my) story\b"
        r"|[^.!?\n\"“]*\bthat(?:[’']s| is| was) how (?:the|this|our) story (?:end|beg|start)\w+"
        r"|(?:This|It) (?:is|was) (?:just |only )?an? (?:\w+ ){0,2}story\b"
        r"|In (?:another|(?:a|one|some) (?:different|other|new|second)) (?:story|tale|version)\b"
        r"|(?:And )?[Aa]s (?:the|this|our|my) story (?:unfold|progress|develop|continue|came|comes|draws|drew|goes|went|ends|began)\w*\b"
        r"|[^.!?\n\"“]*\b(?:beauty|power|art|magic|importance) of (?:storytelling|(?:the|this|a) (?:story|narrative))\b",
    ),
    Rule(
        "part_of_text",
        r"(?:(?:And|But|So|Then|Now|As for|In) )?(?:[Tt]he|[Tt]his|[Mm]y|[Yy]our|[Oo]ne) (?:(?:next|last|final|first|whole|rest of the|kind of|type of|sort of) )?(?:ending|sentence|paragraph|chapter|storytelling|plot|narrative|reader|story)(?: of (?:the|this|my) story)?(?:,| (?:is|was|will|would|of this|that has|itself|in (?:the|this)|has|just|[\"“]))",
    ),
    Rule(
        "name_of_text",
        r"(?i:(?:and )?(?:an? |the )?(?:(?:short|last|final|next|awesome|great|good|nice|new|end of(?: the)?) )*(?:story|chapter|ending)(?: ends?)?(?:[.!]+(?=\s|\Z)|\n))",
    ),
    Rule(
        "writer",
        r"(?:I|We) (?:put|tried|try|wanted|chose|decided|wrote|have written|hoped?|added|used)\b[^.!?\n\"“]*\b(?:stor(?:y|ies)|ending|tone|readers?|sentence|paragraph|chapter|list|grammar|punctuation|scene|writing)\b"
        r"|How (?:could|can|should|would|do) I (?:have |make |write |say|improve |end )|What[’']s your next\b|Write me\b|(?:How|What) (?:about|do you think of) (?:this|the|my) (?:story|ending)"
        r"|[^.!?\n\"“]*\byou(?:[’']ve| have)(?: just)? (?:added|finished|written|completed|created)\b[^.!?\n\"“]*\b(?:stor(?:y|ies)|scene|chapter|sentence)",
    ),
    Rule(
        "two_of_text",
        rf"[^.!?\n\"“]*?\b(?P<of_text>{_OF_TEXT})[^.!?\n\"“]*?\b(?!(?P=of_text)){_OF_TEXT}",
    ),
    Rule(
        "edition",
        r"(?:Note|NOTE|Disclaimer|DISCLAIMER|Trigger [Ww]arning|Spoiler [Aa]lert|Moral of the [Ss]tory)\s*:",
    ),
)

# Looked for anywhere, quotes or not; the sentence that holds it is left out.
ANYWHERE_RULES = (
    Rule("address", r"https?://|www\.\w|\w@\w+\.\w|\w\.(?:com|org|net)\b"),
    Rule(
        "code_mark",
        r"```|<\|\w*|</?(?:div|span|p|br|html|script|li|ul|a|b|i|s|user|assistant|system)\b[^>\n]*>|\\(?:begin|frac|text)\{|\$\$",
    ),
    Rule("role_mark", r"\[/?(?:INST|SYS|USER|ASSISTANT)\]|###\s*(?:Instruction|Response|Input)"),
    Rule(
        "word_count", r"[(\[]\s*(?:[Ww]ord [Cc]ount:?\s*)?\d+ [Ww]ords\s*[)\]]|\b[Ww]ord [Cc]ount:"
    ),
)
# After these the story is over, and whatever follows has left it.
_THE_END = re.compile(
    r"(?:^|\n|[.!?…][\"”’']*[ \t]+)[*_]*(?:The End|THE END)[*_]*(?:[.!]|(?=\n))[*_]*(?=\s*\S)"
)

# Five short lines in a row, none of them said, nor a name in capitals as in a script. Chinese
# says a whole paragraph in as many signs.
_CRUMBS = re.compile(r"(?:\A|\n)\s*(?=\S)(?:(?![A-Z .,\'’-]+\n)[A-Za-z][^\n\"“”]{0,29}\n+){5}")

_LINE = re.compile(
    "|".join(f"(?P<{rule.name}>{rule.pattern})" for rule in LINE_RULES), re.MULTILINE
)
_SENTENCE = re.compile("|".join(f"(?P<{rule.name}>{rule.pattern})" for rule in SENTENCE_RULES))
_ANYWHERE = re.compile("|".join(f"(?P<{rule.name}>{rule.pattern})" for rule in ANYWHERE_RULES))
# Where a line or a sentence may begin: capitals and signs only, so that most places cost nothing.
_LINE_START = re.compile(r"(?:\A|\n)\s*(?=\S)")
_SENTENCE_START = re.compile(r"(?:\A\s*|\n\s*|[.!?…:][\"'”’)*_]*\s+)(?=[A-Z*_])")
_END_CHARS = 400  # longer than any rule reaches
_ANY_START = re.compile(r"\n\s*|[.!?…:][\"'”’)*_]*\s+")


@dataclass(frozen=True, slots=True)
class Drift:
    """Where a text leaves the story, and by which rule."""

    offset: int
    rule: str


def find_drift(text: str, context: str = "", *, only_end: bool = False) -> int | None:
    """Return the offset of the sentence or line where the text leaves the story; None where it stays.

    Args:
        text: the generated text.
        context: what stands before it in the same paragraph, for its open quotes.
        only_end: judge the last few hundred characters only; enough, and quick,
            where the text was judged as it grew.
    """
    drift = explain_drift(text, context, only_end=only_end)
    return None if drift is None else drift.offset


def explain_drift(text: str, context: str = "", *, only_end: bool = False) -> Drift | None:
    """Find the first place where the text leaves the story, with the name of the rule."""
    since = max(0, len(text) - _END_CHARS) if only_end else 0
    found = [
        drift
        for drift in (
            _find_line(text, context, since),
            _find_sentence(text, context, since),
            _find_anywhere(text, since),
            _find_after_end(text, since),
        )
        if drift is not None
    ]
    return min(found, key=lambda drift: drift.offset, default=None)


def find_crumbs(text: str, *, only_end: bool = False) -> int | None:
    """Return the offset from which prose crumbles into lines of a few words; None where it stays whole.

    Verse looks the same: ask only of a text that goes on from prose.
    """
    match = _CRUMBS.search(text, max(0, len(text) - _END_CHARS) if only_end else 0)
    if match is None:
        return None
    return match.start() + len(match[0]) - len(match[0].lstrip())


def _find_line(text: str, context: str, since: int) -> Drift | None:
    for start in _LINE_START.finditer(text, since):
        if not start.group() and context and not context.endswith("\n"):
            continue  # the text goes on in the middle of a line
        match = _LINE.match(text, start.end())
        if match:
            return Drift(start.end(), match.lastgroup or "")
    return None


def _find_sentence(text: str, context: str, since: int) -> Drift | None:
    for start in _SENTENCE_START.finditer(text, since):
        match = _SENTENCE.match(text, start.end())
        if match and not open_quotes(context + text[: start.end()]):
            return Drift(start.end(), match.lastgroup or "")
    return None


def _find_anywhere(text: str, since: int) -> Drift | None:
    match = _ANYWHERE.search(text, since)
    if not match:
        return None
    starts = [start.end() for start in _ANY_START.finditer(text, 0, match.start())]
    offset = starts[-1] if starts else 0
    return Drift(offset, match.lastgroup or "")


def _find_after_end(text: str, since: int) -> Drift | None:
    match = _THE_END.search(text, since)
    return Drift(match.end(), "the_end") if match else None
