"""Replacing one function of the program in this process by another that has it at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace(
    owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    """Replace the function `name` of a class or module by what `make` returns for it.

    Raises AttributeError where there is none, because then the patch would do nothing.
    """
    setattr(owner, name, make(getattr(owner, name)))
