# What Doxygen is to see of a header: the comment at its top as the file's, indented lines of a comment as they stand, and neither the
# inline namespace, which users never write, nor the requires-clauses, which Doxygen takes for functions; nor what is added to std.
FNR == 1 && /^\/\/ / { print "/// @file"; top = 1 }
top && !/^\/\// { top = 0 }
top { sub(/^\/\//, "///") }
{
  if ($0 == "template <>") { held = $0; next }
  if (held != "" && !/^struct std::/) print held
  if (held != "" && /^struct std::/) { held = ""; next }
  held = ""
  gsub(/::inline SHARED_CHANNEL_ABI/, "")
  indented = $0 ~ /^ *\/\/\/   /
  if (indented && !block) { match($0, /^ */); print substr($0, 1, RLENGTH) "/// @code{.unparsed}" }
  if (!indented && block) { print "/// @endcode" }
  block = indented
  print
}
