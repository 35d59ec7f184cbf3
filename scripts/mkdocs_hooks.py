"""What mkdocs calls while it builds the site; named in mkdocs.yml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doc_pages import PAGES, with_outward_links
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code and from files of the root."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Mend links that leave docs/; a page in a folder of it links to its neighbours."""
    if "/" in page.file.src_uri:
        return markdown
    return with_outward_links(markdown, config.repo_url)
