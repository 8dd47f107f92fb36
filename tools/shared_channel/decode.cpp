#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "value.hpp"
#include "value_parts.hpp"

namespace tool {
namespace {

[[noreturn]] void malformed() { throw ValueError("the message is not what its description says"); }

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

Json text_or_hex(const std::byte* bytes, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(bytes), size);
  if (is_utf8(text)) return text;
  return {{"hex", to_hex({bytes, size})}};
}

template <class Number>
Number number_at(const std::byte* at) {
  Number number;
  std::memcpy(&number, at, sizeof number);
  return number;
}

Json real(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  return number;
}

/// The double that reads as the float does: 0.1 rather than 0.10000000149011612.
Json real(float number) {
  if (!std::isfinite(number)) return real(static_cast<double>(number));
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits - 1, number).ptr;
  *end = '\0';
  return std::strtod(digits, nullptr);
}

Json flat_value(const Type& type, const std::byte* at);

Json integer(const Type& type, const std::byte* at) {
  const bool is_signed = type.kind == Kind::signed_integer;
  switch (type.size) {
    case 1:
      return is_signed ? Json(number_at<std::int8_t>(at)) : Json(number_at<std::uint8_t>(at));
    case 2:
      return is_signed ? Json(number_at<std::int16_t>(at)) : Json(number_at<std::uint16_t>(at));
    case 4:
      return is_signed ? Json(number_at<std::int32_t>(at)) : Json(number_at<std::uint32_t>(at));
    default:
      return is_signed ? Json(number_at<std::int64_t>(at)) : Json(number_at<std::uint64_t>(at));
  }
}

Json flat_array(const Type& type, const std::byte* at) {
  const Type& element = type.parts.front();
  const auto count = static_cast<std::size_t>(type.count);
  if (element.kind == Kind::character) {
    std::size_t used = count;  // text is filled up with zeros
    while (used != 0 && at[used - 1] == std::byte{0}) --used;
    return text_or_hex(at, used);
  }
  Json values = Json::array();
  for (std::size_t i = 0; i < count; ++i) values.push_back(flat_value(element, at + i * element.size));
  return values;
}

Json flat_members(const Type& type, const std::byte* at) {
  Json values = Json::array();
  std::uint64_t offset = 0;
  for (const Type& part : type.parts) {
    offset = (offset + part.align - 1) / part.align * part.align;
    values.push_back(flat_value(part, at + offset));
    offset += part.size;
  }
  if (values.size() != 1) return values;
  Json only = std::move(values.front());
  return only;
}

Json flat_value(const Type& type, const std::byte* at) {
  switch (type.kind) {
    case Kind::boolean:  // what no bool holds is shown as it is
      return *at > std::byte{1} ? Json(std::to_integer<unsigned>(*at)) : Json(*at == std::byte{1});
    case Kind::character:
      return text_or_hex(at, 1);
    case Kind::signed_integer:
    case Kind::unsigned_integer:
      return integer(type, at);
    case Kind::real:
      return type.size == 4 ? real(number_at<float>(at)) : real(number_at<double>(at));
    case Kind::opaque:
      return {{"hex", to_hex({at, static_cast<std::size_t>(type.size)})}};
    case Kind::array:
      return flat_array(type, at);
    default:
      return flat_members(type, at);
  }
}

/// What is left of a message or of a part.
class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool is_empty() const { return bytes_.empty(); }
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes_.size()) malformed();
    const auto taken = bytes_.first(static_cast<std::size_t>(count));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> rest() { return take(bytes_.size()); }
  std::uint32_t number() { return number_at<std::uint32_t>(take(sizeof(std::uint32_t)).data()); }

 private:
  std::span<const std::byte> bytes_;
};

class Decoder {
 public:
  Json value(const Type& stated, std::span<const std::byte> bytes) {
    const Enclosing::Level level(around_, stated);
    Input in(bytes);
    Json value = read(level.type(), in);
    if (!in.is_empty()) malformed();
    return value;
  }

 private:
  Json read(const Type& type, Input& in) {
    switch (type.kind) {
      case Kind::string: {
        const auto text = in.rest();
        return text_or_hex(text.data(), text.size());
      }
      case Kind::bytes:
      case Kind::coded:
        return {{"hex", to_hex(in.rest())}};
      case Kind::vector: {
        if (type.parts.front().kind == Kind::character) {
          const auto text = in.rest();
          return text_or_hex(text.data(), text.size());
        }
        Json values = Json::array();
        while (!in.is_empty()) values.push_back(part(type.parts.front(), in));
        return values;
      }
      case Kind::optional:
        return optional(type, in);
      case Kind::variant:
        return variant(type, in);
      case Kind::aggregate:
      case Kind::tuple:
        return members(type, in);
      case Kind::array:
        return array(type, in);
      default:
        return flat_value(type, in.take(type.size).data());
    }
  }

  Json part(const Type& type, Input& in) {
    if (!is_flat(type)) return value(type, in.take(in.number()));
    if (type.size == 0) malformed();  // no type of C++ has that
    return flat_value(type, in.take(type.size).data());
  }

  Json optional(const Type& type, Input& in) {
    const auto present = std::to_integer<unsigned>(in.take(1).front());
    if (present > 1) malformed();
    if (present == 0) return nullptr;
    Json held = part(type.parts.front(), in);
    if (type.parts.front().kind != Kind::optional) return held;
    return {{"some", std::move(held)}};
  }

  Json variant(const Type& type, Input& in) {
    const std::uint32_t index = in.number();
    if (index >= type.parts.size()) malformed();
    const Type& held = type.parts[index];
    Json value = Json::object();
    value[held.schema.empty() ? std::to_string(index) : held.schema] = part(held, in);
    return value;
  }

  Json members(const Type& type, Input& in) {
    Json values = Json::array();
    for (const Type& member : type.parts) values.push_back(part(member, in));
    if (values.size() != 1) return values;
    Json only = std::move(values.front());
    return only;
  }

  Json array(const Type& type, Input& in) {
    const Type& element = type.parts.front();
    if (is_flat(element)) return flat_value(type, in.take(type.size).data());
    Json values = Json::array();
    for (std::uint64_t i = 0; i < type.count; ++i) values.push_back(part(element, in));
    return values;
  }

  Enclosing around_;
};

}  // namespace

Json decode(const Type& type, std::span<const std::byte> message, Form form) {
  if (!form.is_variable) {
    if (!type.has_layout || type.size != message.size()) malformed();
    return flat_value(type, message.data());
  }
  return Decoder().value(type, message);
}

}  // namespace tool
