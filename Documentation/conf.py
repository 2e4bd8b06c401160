# SPDX-License-Identifier: MIT
#
# Sphinx as the kernel uses it: its own extensions, out of the source that scripts/docs names.

import os
import re
import sys

from docutils import nodes

tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
kernel = os.environ["KERNEL_SOURCE"]
sys.path.insert(0, os.path.join(kernel, "Documentation/sphinx"))

project = "Secure SPI NOR flash through MTD"
extensions = ["automarkup", "kerneldoc"]
kerneldoc_srctree = tree
# The program that reads the comments of sources.
kerneldoc_bin = os.path.join(kernel, "scripts/kernel-doc")

primary_domain = "c"
highlight_language = "none"
c_id_attributes = ["__user"]
exclude_patterns = ["examples", "man"]
html_theme = "alabaster"
html_theme_options = {"page_width": "70em", "sidebar_width": "16em"}
html_copy_source = False
html_show_copyright = False
html_sidebars = {"**": ["searchbox.html", "localtoc.html", "relations.html"]}

# A reference that leads nowhere is an error, unless the kernel or the C library defines the name.
nitpicky = True
with open(os.path.join(tree, "Documentation/foreign-names"), encoding="ascii") as names:
    nitpick_ignore = [("c:identifier", line.strip()) for line in names if line[0] != "#"]


# What a test's name has before it in C; elsewhere it is the text of a check.
C_TEST = r"(?:TEST(?:_F)?(?:_TIMEOUT)?\((?:\w+, )?|static void |KUNIT_CASE(?:_SLOW)?\()"


def has_test(path, name):
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return False
    if path.endswith(".c"):
        return re.search(rf"^\s*{C_TEST}{re.escape(name)}\b", text, re.M) is not None
    return name != "" and name in text


def test_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """:test:`FILE NAME`: the test NAME of FILE, below tools/testing or the tree, is there."""
    path, _, test = text.partition(" ")
    if not any(has_test(os.path.join(tree, top, path), test) for top in ("tools/testing", "")):
        message = inliner.reporter.error(f"no test '{test}' in {path}", line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    return [nodes.literal(rawtext, f"{os.path.basename(path)}: {test}")], []


def setup(app):
    app.add_role("test", test_role)
