# What Doxygen is to see of the C header: its comments as documentation. One that stands by itself is of what follows, one behind a
# declaration of that; the one at the top is the file's. Lines that are set off by bars are headings, for readers of the header alone.
FNR == 1 { print "/** @file"; sub(/^\/\* /, ""); print " * " $0; next }
/^ *\/\* ---- .* ---- \*\/$/ { print ""; next }
/^ *\/\* ---- / { sub(/---- /, ""); sub(/ ----/, ".") }
/^ *\/\* / { sub(/\/\* /, "/** ") }
/[;,{}A-Z0-9] +\/\* / && !/^ *\/\*/ { sub(/\/\* /, "/**< ") }
{ print }
