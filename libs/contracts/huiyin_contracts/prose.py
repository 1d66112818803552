"""The strings below the attributes of a class, which say what each means: read only when a document is written.

pydantic's own `use_attribute_docstrings` reads every module's source anew for every class while it is imported, a tenth
of a cold start, and only documents ever need them.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent


@cache
def attribute_prose(owner: type) -> Mapping[str, str]:
    """Return what is said below each attribute, by name. What a class overrides in silence has none.

    Empty for classes whose source is out of reach.
    """
    found: dict[str, str] = {}
    for each in reversed(owner.__mro__):
        for name in inspect.get_annotations(each):
            found.pop(name, None)
        found |= dict(_own_prose(each))
    return found


def _own_prose(owner: type) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(dedent(inspect.getsource(owner)))
    except (OSError, TypeError):
        return
    for before, after in pairwise(getattr(tree.body[0], "body", ())):
        match before, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
