"""Marker lines around a text in a question to a language model, so that the text cannot imitate the question."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from hindsight_rl.encoder import default_cache_dir


class Fence:
    """Markers derived from a secret of this user."""

    def __init__(self) -> None:
        self._secret = _secret()

    def around(self, text: str) -> str:
        """Twelve hex digits: the same for the same text, and unpredictable without the secret.

        Random digits would make each question new, so that no answer could come from the cache.
        """
        for salt in range(100):
            fence = hmac.new(self._secret, f"{salt}:{text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:12]
            if fence not in text:
                return fence
        raise AssertionError("unreachable: a hundred fences in one text")


def _secret(folder: Path | None = None) -> bytes:
    """32 random bytes of this user, stored in the cache folder; of this process if they cannot be stored."""
    file = (folder or default_cache_dir()) / "fence.secret"
    for _ in range(2):
        try:
            found = file.read_bytes()
            if len(found) == 32:
                return found
        except OSError:
            pass
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(secrets.token_bytes(32))
            try:
                os.link(partial, file)  # the bytes of the first process stay
            except FileExistsError:
                if file.stat().st_size != 32:
                    os.replace(partial, file)
                    continue
            os.unlink(partial)
        except OSError:
            break
    return secrets.token_bytes(32)
