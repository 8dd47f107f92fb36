"""Every link of a page that leads into the tree leads to a file that is there, and to a heading of it.

usage: check_links.py PAGE.md...
"""
import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(page):
    """Without the blocks of code, whose brackets are no links and whose # is no heading."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchor(heading):
    """As GitHub makes it."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def anchors(page):
    return {anchor(match.group(1)) for match in re.finditer(r"^#+ (.*)$", text_of(page), re.MULTILINE)}


wrong = []
for page in map(pathlib.Path, sys.argv[1:]):
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", text_of(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            wrong.append(f"{page}: {link} is not there")
        elif heading and heading not in anchors(target):
            wrong.append(f"{page}: {link}: {target} has no such heading")
print(*wrong, sep="\n")
sys.exit(bool(wrong))
