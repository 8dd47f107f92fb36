// Messages as JSON, made and read by their descriptions.
//
//     scalars                 numbers, true and false; f64: also "nan", "inf", "-inf"
//     char                    a string of one character
//     char[n], string         a string; {"hex": "…"} if it is not UTF-8
//     bytes, opaque           {"hex": "00ff"}; given, also a string: its characters; of opaque(size,align) null: zeros
//     T[n], vector<T>         [ … ]
//     {A B}, (A B)            [a, b]; of a single member, that member
//     optional<T>             null, or the value; of an optional in an optional {"some": value}
//     variant<A B>            {"0": a}, {"1": b}, or the schema's name in the place of the number; given, also a value
//                             that only one alternative takes
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "type.hpp"

namespace tool {

using Json = nlohmann::ordered_json;

/// Why a value is none of its type; the text names the place, such as "[1][0]".
class ValueError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How a message's bytes are to be read.
struct Form {
  bool is_variable = false;  // it has a length of its own, and is made of parts
};

/// Throws ValueError.
std::vector<std::byte> encode(const Type& type, const Json& value, Form form);
Json decode(const Type& type, std::span<const std::byte> message, Form form);

/// "0203ff"; throws ValueError. Spaces are ignored.
std::vector<std::byte> from_hex(const std::string& digits);
std::string to_hex(std::span<const std::byte> bytes);

}  // namespace tool
