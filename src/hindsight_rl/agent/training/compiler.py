"""Whether the installed compiler can compile the training step."""

import os

import jax
import jaxlib

from hindsight_rl.errors import HindsightError

MEND = "XLA_FLAGS=--xla_backend_extra_options=-force-vector-width=1"


def check_compiler() -> None:
    """Stop before a compilation that does not end.

    jaxlib 0.11.2 does not finish compiling the training step for CPUs: LLVM's loop vectorizer runs on without end. With
    one element per vector it does finish. GPUs do not use that part. 0.10.2 is not affected, later versions were not
    tested.

    Raises:
        HindsightError: jaxlib is 0.11 or newer, the device is a CPU, and `XLA_FLAGS` does not set the vector width.
    """
    version = tuple(int(part) for part in jaxlib.__version__.split(".")[:2])
    if (
        version >= (0, 11)
        and jax.default_backend() == "cpu"
        and "force-vector-width" not in os.environ.get("XLA_FLAGS", "")
    ):
        raise HindsightError(
            f"jaxlib {jaxlib.__version__}: from 0.11 on, compiling for CPUs may never end; "
            f"pip install 'jax<0.11', or set {MEND}"
        )
