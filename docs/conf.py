"""Sphinx: `python -m sphinx -W -b html docs build/html`, and with `-D language=zh_CN` for the Chinese edition."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from wxsdk import __version__  # noqa: E402  (the package beside this folder, not an installed one)

project = "wxsdk"
author = "The wxsdk authors"
copyright = author
release = version = __version__
language = "en"

extensions = ["sphinx.ext.autodoc", "sphinx.ext.graphviz", "wxsdk_docs"]
exclude_patterns = ["_ext", "locale"]
nitpicky = (
    False  # the signatures name many types of the standard library, whose pages a build without a network cannot reach
)

html_theme = "furo"
html_title = f"wxsdk {release}"
html_static_path = ["_static"]
html_css_files = ["wxsdk.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

graphviz_output_format = "svg"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True

# The Chinese edition: one catalogue for each page. What contributors read stays in English (see tests/docs).
locale_dirs = ["locale"]
gettext_compact = False
gettext_uuid = False
gettext_location = False
gettext_additional_targets = ["index"]
