"""Reading without garbage collection: what is read stays, and would be searched through again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection meanwhile. What was made counts as old then, so it is not searched at the end."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            if gc.get_freeze_count() == 0:  # else the objects that the program has frozen would be thawed
                gc.freeze()
                gc.unfreeze()
            gc.enable()
