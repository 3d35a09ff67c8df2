"""Text from elsewhere, made safe to print: names, captions and messages may hold anything."""

from __future__ import annotations

import unicodedata

# Control characters move cursors and end lines; format characters turn text around.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def printable(text: str) -> str:
    r"""Return the text on one line, with every character that steers a terminal spelt out.

    Args:
        text: Anything; ``\x1b[2J`` becomes the four characters that a programmer would write.
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _UNSAFE
        else character
        for character in text
    )
