"""Paper: one document of plain values, set as PDF and DOCX, shown as HTML, written as Markdown."""
