"""The paper's tables and figures from run folders: csv, markdown and LaTeX; PDF and SVG."""
