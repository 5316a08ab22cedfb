"""Marker lines around a text that a language model is shown, so that the text cannot pass for what stands outside."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from hindsight_rl.encoder import default_cache_dir


class Fence:
    """Markers drawn from a secret of this user's."""

    def __init__(self) -> None:
        self._secret = _secret()

    def around(self, text: str) -> str:
        """Twelve hex digits that nobody who lacks the secret can foretell, and the same for the same text.

        A fence drawn anew each time would make every question new, and every answer be paid for twice.
        """
        for salt in range(100):
            fence = hmac.new(self._secret, f"{salt}:{text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:12]
            if fence not in text:
                return fence
        raise AssertionError("unreachable: a hundred fences in one text")


def _secret(folder: Path | None = None) -> bytes:
    """32 random bytes of this user's, kept beside the caches; of this process's where they cannot be kept."""
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
                os.link(partial, file)  # the first process wins
            except FileExistsError:
                if file.stat().st_size != 32:
                    os.replace(partial, file)
                    continue
            os.unlink(partial)
        except OSError:
            break
    return secrets.token_bytes(32)
