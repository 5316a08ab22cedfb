"""A language model behind a chat endpoint of this machine, for studies that need one: `transformers serve`."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hindsight_rl.endpoint.settings import BASE_URL_VARIABLE, MODEL_VARIABLE
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.models import local_model

PORT = 8977
STARTS_WITHIN = 300.0


@contextmanager
def served(model: str) -> Iterator[None]:
    """Serve a model, and name it to the commands that are run meanwhile, by environment variables.

    Args:
        model: a name or folder, as for `hindsight lm train --model`.

    Raises:
        HindsightError: the server did not start.
    """
    folder = local_model(model)
    command = [str(Path(sys.executable).with_name("transformers")), "serve", folder, "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    url = f"http://127.0.0.1:{PORT}"
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, "--port", str(PORT)], stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            begin = time.monotonic()
            while not _answers(url):
                if server.poll() is not None or time.monotonic() - begin > STARTS_WITHIN:
                    log.seek(0)
                    raise HindsightError(f"no server at {url}:\n{log.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.5)
            os.environ.update({BASE_URL_VARIABLE: f"{url}/v1", MODEL_VARIABLE: folder})
            yield
        finally:
            for name in (BASE_URL_VARIABLE, MODEL_VARIABLE):
                os.environ.pop(name, None)
            server.terminate()
            server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except OSError:
        return False
