"""A word that is not known: which one may have been meant."""

from collections.abc import Collection, Iterable


def suggest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`; did you mean NAME?` where a name is near, else `otherwise`: what to add to a refusal. Pure."""
    import difflib  # noqa: PLC0415 - nothing needs it but a mistake

    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else otherwise


def suggest_or_list(word: str, known: Collection[str]) -> str:
    """`; did you mean NAME?`, or which there are, in the order given. Pure."""
    return suggest(word, known, f"; there are {', '.join(known) or 'none'}")
