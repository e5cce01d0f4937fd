"""What an error of the system's says to a person."""

import os
import re

_NUMBER = re.compile(r"\[Errno (\d+)\]")


def explain_error(error: OSError) -> str:
    """`Connection refused`: why, without where; whoever tells it knows the address. Pure.

    asyncio puts the address in the place of the reason, and several addresses with their reasons into one text.
    """
    told = error.strerror or str(error)
    if told.startswith("Connect call failed") and error.errno:
        return os.strerror(error.errno)
    if told.startswith("Multiple exceptions") and (numbers := dict.fromkeys(_NUMBER.findall(told))):
        return ", ".join(os.strerror(int(number)) for number in numbers)
    return told
