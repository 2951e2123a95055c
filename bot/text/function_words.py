"""Function words: the small closed classes that every text needs in every sentence.

Articles, pronouns, prepositions, conjunctions, auxiliaries, and the verbs that carry speech
in a story. What holds content words against a text leaves these alone: a story that may not
say "the" ends in verse. Folded; without apostrophes, for a tokenizer splits there.
"""

from typing import Final

_ENGLISH = """
a an the and or but nor if then so as at by for from in into of off on onto out over to up down
with without under about after before between through around near was were is are am be been being
had has have having do did does done doing he she it they i you we his her hers its their theirs my
mine your yours our ours him them me us that this these those there here not no yes what who whom
whose when where which while why how said says say asked would will could can should shall may
might must all one two some any every each other another more most very too just only even still
also than now again back away himself herself itself themselves myself yourself like ve re ll don
didn doesn wasn weren couldn wouldn shouldn isn aren hadn hasn haven won never ever because until
"""
_GERMAN = """
der die das den dem des ein eine einen einem einer eines und oder aber doch wenn dann als wie an am
auf aus bei bis durch für gegen hinter im in ins mit nach neben ohne über um unter von vom vor
zu zum zur zwischen ist war waren sind bin sein gewesen hat hatte hatten haben wird wurde wurden
werden kann konnte konnten muss musste soll sollte will wollte darf durfte er sie es ich du wir ihr
ihn ihm ihnen mich mir dich dir uns euch sich seine seinen seinem seiner ihre ihren ihrem ihrer mein
meine dein deine unser dass da dort hier nicht kein keine ja nein was wer wo wann warum sagte fragte
auch nur noch schon sehr so mehr immer wieder jetzt nun man weil bevor
"""
_FRENCH = """
le la les un une des du de au aux et ou mais donc or ni car si que qui quoi dont où quand comme
dans sur sous avec sans pour par vers chez entre avant après est était étaient sont suis être
été fut a avait avaient ont ai avoir eut il elle ils elles je tu nous vous on me te se lui leur
moi toi son sa ses mon ma mes ton ta tes notre votre nos vos leurs ce cet cette ces cela ne pas plus
non oui dit demanda tout tous toute encore même bien très y en fait faire peut pouvait
"""
_SPANISH = """
el la los las un una unos unas lo de del al y e o u pero sino si que quien cual donde cuando como en
sobre bajo con sin para por hacia entre antes después es era eran son soy ser sido fue fueron
estaba está ha había han he haber él ella ellos ellas yo tú nosotros usted me te se le les nos
su sus mi mis tu tus este esta estos estas ese esa eso aquel aquella no sí dijo preguntó muy más
ya todo toda todos otra otro también a podía puede
"""
_ITALIAN = """
il lo la i gli le un uno una di del della dello dei degli delle a al alla ai alle da dal dalla in
nel nella nei con su sul sulla per tra fra e ed o ma se che chi cui dove quando come è era erano
sono essere stato fu ha aveva avevano hanno ho avere lui lei egli ella loro io tu noi voi mi ti si ci
vi gli suo sua suoi sue mio mia tuo tua questo questa quello quella non sì disse chiese molto più
già tutto tutti ancora anche poi
"""
_PORTUGUESE = """
o a os as um uma uns umas de do da dos das em no na nos nas ao à aos por pelo pela para com sem
sobre sob entre e ou mas se que quem onde quando como é era eram são sou ser sido foi foram estava
está tinha tem ter havia ele ela eles elas eu tu nós você me te lhe seu sua seus suas meu minha
este esta esse essa isso aquele aquela não sim disse perguntou muito mais já tudo todos também
"""
_DUTCH = """
de het een en of maar als dan toen dat die dit deze wie wat waar wanneer hoe in op aan bij van voor
met naar uit door over onder tussen zonder om tot te is was waren zijn ben geweest heeft had hadden
hebben wordt werd werden kan kon zou zal moest wilde hij zij ze ik jij je wij we hem haar hun mij me
zich zijn mijn jouw ons er hier daar niet geen ja nee zei vroeg ook nog al zeer meer weer nu
"""
_CHINESE = """
一个 自己 他们 她们 它们 我们 你们 什么 没有 这个 那个 这些 那些 可以 就是 还是
不是 但是 因为 所以 如果 时候 知道 已经 这样 那样 怎么 这里 那里 起来 出来
"""

FUNCTION_WORDS: Final = frozenset(
    word
    for words in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN, _PORTUGUESE, _DUTCH, _CHINESE)
    for word in words.split()
)
