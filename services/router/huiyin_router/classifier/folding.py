"""Text folding: one spelling for what reads the same, without moving a single character.

Spans are offsets into the text as it was sent, so every step maps one character to exactly one character:
compatibility forms (NFKC) and case are folded, digits become `0`, common traditional characters become simplified.
"""

import re
import unicodedata
from typing import Final, NamedTuple

_HEAD_CHARS: Final = 300
_TAIL_CHARS: Final = 100
_FEW_SCRIPT_CHARS: Final = 4
_LATIN: Final = re.compile("[a-z]+")
_HAN: Final = re.compile("[一-鿿]+")
_FOREIGN: Final = re.compile(r"[^\x00-\x7f一-鿿]")

_TRADITIONAL: Final = (
    "們這個沒還說會對問題買賣錢貨東車開關電話門時間現點過從進選擇換裝壞爛髒熱涼飯麵湯雞魚難騙費價貴貼實質"
    "員務態處單訂網頁鐘錯誤連線訊號機鎖櫃響聲應該樣幾為無與業產廠團隊運輸遲達內兩張圖書讀寫學習認證賬戶銀"
    "請謝謝絕誰調試驗證據氣體檢測發現讓總經濟條給變動設備麼樂愛歡慶喜歡滿頭顧萬億聯繫絡顯示終於後來嗎閃壓潰啟損鬧辦語軟復頻盜製陳覺維護係優惠誇補償屬響徑優煩惱憤幫歲齊"
)
_SIMPLIFIED: Final = (
    "们这个没还说会对问题买卖钱货东车开关电话门时间现点过从进选择换装坏烂脏热凉饭面汤鸡鱼难骗费价贵贴实质"
    "员务态处单订网页钟错误连线讯号机锁柜响声应该样几为无与业产厂团队运输迟达内两张图书读写学习认证账户银"
    "请谢谢绝谁调试验证据气体检测发现让总经济条给变动设备么乐爱欢庆喜欢满头顾万亿联系络显示终于后来吗闪压溃启损闹办语软复频盗制陈觉维护系优惠夸补偿属响径优烦恼愤帮岁齐"
)


class _FoldingTable(dict[int, int]):
    """Translation table that learns a character the first time it meets it; bounded by Unicode itself."""

    def __missing__(self, code: int) -> int:
        folded = self[code] = ord(_fold_char(chr(code)))
        return folded


def _fold_char(char: str) -> str:
    if char.isdecimal():
        return "0"
    if char.isspace():
        return " "
    folded = unicodedata.normalize("NFKC", char).lower()
    return folded if len(folded) == 1 else char


_TABLE: Final = _FoldingTable(
    {
        **{ord(old): ord(new) for old, new in zip(_TRADITIONAL, _SIMPLIFIED, strict=True)},
        **{ord(quote): ord("'") for quote in "’‘`´"},
        ord("．"): ord("."),
    }
)


class Passage(NamedTuple):
    """A folded part of a text and where it begins in the original."""

    folded: str
    offset: int


def fold(text: str) -> str:
    """Return `text` folded; the result has the same length."""
    return text.translate(_TABLE)


def passages(text: str, tail_markers: tuple[str, ...]) -> tuple[Passage, ...]:
    """Return the parts worth reading: all of a short text, else the first 300 and the last 100 characters.

    What follows the earliest of `tail_markers` (a developer's reply, a page footer) is not the author's and is cut.
    """
    end = _authored_end(text, tail_markers)
    if end <= _HEAD_CHARS + _TAIL_CHARS:
        return (Passage(fold(text[:end]), 0),)
    tail_start = end - _TAIL_CHARS
    return (Passage(fold(text[:_HEAD_CHARS]), 0), Passage(fold(text[tail_start:end]), tail_start))


def _authored_end(text: str, tail_markers: tuple[str, ...]) -> int:
    found = [at for marker in tail_markers if (at := text.find(marker)) > 0]
    return min(found, default=len(text))


def is_textless(parts: tuple[Passage, ...]) -> bool:
    """Return whether there is no letter to read: nothing at all, or only digits, signs and pictures."""
    return not any(char.isalpha() for part in parts for char in part.folded)


def language(parts: tuple[Passage, ...]) -> str:
    """Return zh, en or other by the share of scripts; a Han character counts like two Latin letters."""
    text = "".join(part.folded for part in parts)
    latin, han = _count(_LATIN, text), _count(_HAN, text)
    foreign = sum(char.isalpha() for char in _FOREIGN.findall(text))
    if foreign >= _FEW_SCRIPT_CHARS and foreign * 4 > han + latin + foreign:
        return "other"
    if han == latin == 0:
        return "other"
    return "zh" if han * 2 >= latin else "en"


def _count(script: re.Pattern[str], text: str) -> int:
    return sum(map(len, script.findall(text)))
