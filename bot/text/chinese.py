"""Words of Chinese, which has no spaces between them: cut and told apart by jieba's dictionary.

Invariants:
    - A word that is given stands in the dictionary; what the segmenter only guesses is no word.
    - Text in traditional characters, which the dictionary does not know well, and Japanese have
      none; nor has any text where rjieba (the extra ``chinese``) is not installed.
"""

import re
from functools import lru_cache
from types import ModuleType

from bot.text.scripts import CJK

_LETTER = re.compile(rf"[{CJK}]|[^\W\d_]+")
_HAN = re.compile("[\u4e00-\u9fff]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
# Common characters that are written otherwise in simplified Chinese.
_TRADITIONAL = frozenset(
    "們這個說來時會對為後過還沒見國間開門頭長馬魚鳥從給聽話讓裡邊樹葉買賣東車遠離歡愛錢飛寫讀學當發現點燈處氣"
    "風雲電龍鳳機關於與應該動進覺紅綠藍黃鐘錶雞貓豬羅橋溫實場願歲歷歸殺壞壓衛銀鐵鑰島嗎麼"
)
_LEAST_HAN = 0.5  # of the letters
_MOST_TRADITIONAL = 0.01  # of the characters
# jieba's tags (ICTCLAS): nouns, verbs, adjectives, idioms and set phrases, states.
_CONTENT = frozenset({"n", "v", "vn", "a", "an", "ad", "i", "l", "z", "nz"})
_COUNTED = re.compile("[一二三两几].{1,2}\\Z")  # "一封信", a letter
_MOST_COMMON = 20_000  # times in the dictionary's corpus; more has "没有"


def is_chinese(text: str) -> bool:
    """Tell whether a text is Chinese in simplified characters, of which words can be cut."""
    if _library() is None:
        return False
    letters = _LETTER.findall(text)
    han = _HAN.findall(text)
    if not han or len(han) < _LEAST_HAN * len(letters) or _KANA.search(text):
        return False
    return sum(char in _TRADITIONAL for char in han) <= _MOST_TRADITIONAL * len(han)


def content_words(sentence: str) -> dict[str, int]:
    """Return the words of a sentence that say something, and how common each is.

    Two characters or more, in order. How common: about the times in the dictionary's corpus of 60
    million words.
    """
    library = _library()
    if library is None:
        return {}
    found: dict[str, int] = {}
    for word, tag in library.tag(sentence):
        if (
            len(word) > 1
            and tag in _CONTENT
            and not _COUNTED.match(word)
            and library.has_word(word)
        ):
            common = int(library.suggest_freq(word))
            if common <= _MOST_COMMON:
                found.setdefault(word, common)
    return found


@lru_cache(maxsize=1)
def _library() -> ModuleType | None:
    try:
        import rjieba  # noqa: PLC0415 -- an extra; its dictionary takes 0.1 s
    except ImportError:
        return None
    return rjieba
