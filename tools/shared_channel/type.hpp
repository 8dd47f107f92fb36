// The types that descriptions describe (docs/protocol.md, section 12), as a tree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

enum class Kind {
  boolean,
  character,
  signed_integer,
  unsigned_integer,
  real,
  array,
  aggregate,
  tuple,  // members one after another, as no struct lies in memory
  string,
  vector,
  optional,
  variant,
  bytes,
  opaque,  // of known size: its bytes are the value
  coded,   // what only the program's own Codec can read
  outer,   // an enclosing type
};

struct Type {
  Kind kind = Kind::bytes;
  std::uint64_t count = 0;  // of an array's elements; of levels, to an enclosing type
  std::vector<Type> parts = {};
  std::string schema = {};

  bool is_trivial = false;  // trivially copyable in C++
  // How it lies in memory, if that can be told of a trivially copyable type.
  bool has_layout = false;
  std::uint64_t size = 0;
  std::uint64_t align = 1;
};

/// Nothing if the text is no description, or is one that was too long for the server page.
std::optional<Type> parse_type(std::string_view description);

/// What a person calls it: "i32", "string", "an array of 3".
std::string spoken(const Type& type);

}  // namespace tool
