# What the site's pages are to Doxygen: links to pages lead to pages, links to headers into the reference, and what else they lead to
# in the tree is not a part of the site and stands as text. Doxygen makes no anchors of headings.
function page_of(path) {
  if (path ~ /recipes\/README\.md$/ || (path == "README.md" && FILENAME ~ /recipes/)) return "recipes"
  if (path ~ /benchmarks\/README\.md$/) return "benchmarks"
  if (path ~ /README\.md$/) return "index"
  if (path ~ /reference\/index\.md$/) return "interface"
  sub(/.*\//, "", path)
  sub(/\.md$/, "", path)
  return tolower(path)
}
function replaced(text, target) {
  if (target ~ /^https?:/) return "[" text "](" target ")"
  sub(/#.*/, "", target)
  if (target ~ /\.md$/) {
    gsub(/[`"]/, "", text)
    return "@ref " page_of(target) " \"" text "\""
  }
  if (target ~ /include\/shared_channel\/[a-z_]+\.hpp$/) {
    sub(/.*\//, "", target)
    return "@ref " target
  }
  return text
}
FNR == 1 && /^# / && FILENAME !~ /(^|\/)README\.md$/ { $0 = $0 " {#" page_of(FILENAME) "}" }
FNR == 1 && /^# / && FILENAME ~ /(recipes|benchmarks)\/README\.md$/ { $0 = $0 " {#" page_of(FILENAME) "}" }
FNR == 1 { gsub(/`/, "") }  # a title is plain text in the list of pages
/^```/ { fenced = !fenced }
!fenced && /^\[[^]]*\]\(#/ { next }  # the contents of the README, which the tree beside it has
{
  line = $0
  if (!fenced) {
    done = ""
    while (match(line, /!?\[[^][]*\]\([^)]*\)/)) {
      link = substr(line, RSTART, RLENGTH)
      done = done substr(line, 1, RSTART - 1)
      line = substr(line, RSTART + RLENGTH)
      if (link ~ /^!/) {
        sub(/\]\(.*\//, "](", link)
        done = done link
        continue
      }
      middle = index(link, "](")
      done = done replaced(substr(link, 2, middle - 2), substr(link, middle + 2, length(link) - middle - 2))
    }
    line = done line
    # A code span ends for Doxygen at a single quote, unless it has two backticks.
    done = ""
    while (match(line, /`[^`]+`/)) {
      span = substr(line, RSTART, RLENGTH)
      done = done substr(line, 1, RSTART - 1) (span ~ /'/ ? "`" span "`" : span)
      line = substr(line, RSTART + RLENGTH)
    }
    line = done line
  }
  print line
}
