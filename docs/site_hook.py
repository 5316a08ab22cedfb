"""What the site does to pages that are written to be read on GitHub, too.

Links that leave docs/ (`../src/...`, `../results/...`) are right on GitHub but have no target on the site. Where
mkdocs.yml has a `repo_url` they lead there; else the file's path is named behind the text. A link to a file that is not
there is a warning, which ends a build with `--strict`.
"""

import logging
import os
import re
from pathlib import Path
from typing import Any

LOG = logging.getLogger("mkdocs.plugins.hindsight")
BRANCH = "main"
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
NESTED = re.compile(r"^   (?=[-*] )", re.MULTILINE)
FENCE = re.compile(r"^(```.*?^```\s*?$)", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Mend the links of a page that leave docs/, and lists within lists (GitHub wants three spaces, the site four)."""
    docs = Path(config.docs_dir).resolve()
    folder = (docs / page.file.src_uri).parent

    def mended(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / link["target"]))
        if path.is_relative_to(docs):
            return link[0]
        name = path.relative_to(docs.parent).as_posix() if path.is_relative_to(docs.parent) else link["target"]
        if not path.exists():
            LOG.warning("%s links to '%s', which is not there", page.file.src_uri, link["target"])
        if config.repo_url:
            return f"[{link['text']}]({config.repo_url.rstrip('/')}/blob/{BRANCH}/{name}{link['anchor'] or ''})"
        return link["text"] if name in link["text"] else f"{link['text']} (`{name}`)"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else NESTED.sub("    ", LINK.sub(mended, part)) for part in parts)
