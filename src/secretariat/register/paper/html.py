"""A document as one HTML file that needs nothing beside it: for the command line and for mail."""

from __future__ import annotations

from secretariat.register.paper.document import Document
from secretariat.web.screen import environment


def html(document: Document) -> bytes:
    """Write a document as a file; every text is escaped."""
    address = document.head.address
    base = "/".join(address.split("/")[:3]) if address.startswith(("http://", "https://")) else ""
    text = environment().get_template("register/paper_file.html").render(document=document, base=base)
    return text.encode()
