#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "value.hpp"
#include "value_parts.hpp"

namespace tool {
namespace {

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= 60) return text;
  std::size_t end = 57;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // a character that is not there whole
  return text.substr(0, end) + "…";
}

[[noreturn]] void refuse(const std::string& path, const Type& type, const Json& value) {
  throw ValueError((path.empty() ? "" : "at " + path + ": ") + spoken(type) + " is wanted, not " + shown(value));
}

std::string inside(const std::string& path, std::size_t index) { return path + '[' + std::to_string(index) + ']'; }

std::string text_of(const Type& type, const Json& value, const std::string& path) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.size() == 1 && value.begin().key() == "hex" && value.begin()->is_string()) {
    const auto bytes = from_hex(value.begin()->get<std::string>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  refuse(path, type, value);
}

/// Counts how often it was tried whether a value is what a type takes. Tries within tries multiply, and the type is a
/// server's word.
class Tries {
 public:
  /// No ValueError, after which the next would be tried.
  struct TooMany {};

  /// While one is under way. What was found out before the outermost one counts no more.
  class One {
   public:
    explicit One(Tries& tries) : tries_(tries) {
      if (tries.depth_ == 0) tries.count_ = 0;
      if (++tries.count_ > most) throw TooMany();
      ++tries.depth_;
    }
    ~One() { --tries_.depth_; }
    One(const One&) = delete;
    One& operator=(const One&) = delete;

   private:
    Tries& tries_;
  };

 private:
  static constexpr unsigned most = 20000;
  unsigned depth_ = 0;
  unsigned count_ = 0;
};

/// Writes a value as it lies in memory, at its offset in zeros.
class FlatEncoder {
 public:
  explicit FlatEncoder(Tries& tries) : tries_(tries) {}

  void write(const Type& type, const Json& value, std::byte* at, const std::string& path) {
    switch (type.kind) {
      case Kind::boolean:
        if (!value.is_boolean()) refuse(path, type, value);
        *at = std::byte{value.get<bool>()};
        return;
      case Kind::character:
        return write_character(type, value, at, path);
      case Kind::signed_integer:
        return write_signed(type, value, at, path);
      case Kind::unsigned_integer:
        return write_unsigned(type, value, at, path);
      case Kind::real:
        return write_real(type, value, at, path);
      case Kind::opaque: {
        if (value.is_null()) return;
        const std::string bytes = text_of(type, value, path);
        if (bytes.size() != type.size) refuse(path, type, value);
        std::memcpy(at, bytes.data(), bytes.size());
        return;
      }
      case Kind::array:
        return write_array(type, value, at, path);
      default:
        return write_members(type, value, at, path);
    }
  }

 private:
  static void write_character(const Type& type, const Json& value, std::byte* at, const std::string& path) {
    if (value.is_number()) {
      if (!value.is_number_integer() || value < -128 || value > 255) refuse(path, type, value);
      *at = static_cast<std::byte>(value.get<int>() & 0xFF);
      return;
    }
    const std::string text = text_of(type, value, path);
    if (text.size() != 1) refuse(path, type, value);
    *at = static_cast<std::byte>(text.front());
  }

  static void write_signed(const Type& type, const Json& value, std::byte* at, const std::string& path) {
    if (!value.is_number_integer()) refuse(path, type, value);
    const auto bits = static_cast<unsigned>(8 * type.size);
    const std::int64_t most = (std::numeric_limits<std::int64_t>::max)() >> (64 - bits);
    const bool is_too_large =
        value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(most);
    if (is_too_large || value.get<std::int64_t>() > most || value.get<std::int64_t>() < -most - 1)
      refuse(path, type, value);
    put(at, static_cast<std::uint64_t>(value.get<std::int64_t>()), type.size);
  }

  static void write_unsigned(const Type& type, const Json& value, std::byte* at, const std::string& path) {
    const std::uint64_t most = (std::numeric_limits<std::uint64_t>::max)() >> (64 - 8 * type.size);
    const bool is_good = value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
    if (!is_good || value.get<std::uint64_t>() > most) refuse(path, type, value);
    put(at, value.get<std::uint64_t>(), type.size);
  }

  static void write_real(const Type& type, const Json& value, std::byte* at, const std::string& path) {
    double number = 0;
    if (value.is_number()) {
      number = value.get<double>();
      // The one zero that JSON's reader calls signed is -0.
      if (value.is_number_integer() && !value.is_number_unsigned() && number == 0) number = -0.0;
    } else if (value == "nan") {
      number = std::numeric_limits<double>::quiet_NaN();
    } else if (value == "inf" || value == "-inf") {
      number = value == "inf" ? HUGE_VAL : -HUGE_VAL;
    } else {
      refuse(path, type, value);
    }
    if (type.size == 8) {
      std::memcpy(at, &number, sizeof number);
      return;
    }
    // What is nearer to the largest float than to infinity is that float: such as its own shortest decimal.
    if (std::isfinite(number) && std::fabs(number) >= 0x1.ffffffp127) refuse(path, type, value);
    const auto narrow = static_cast<float>(number);
    std::memcpy(at, &narrow, sizeof narrow);
  }

  void write_array(const Type& type, const Json& value, std::byte* at, const std::string& path) {
    const Type& element = type.parts.front();
    if (element.kind == Kind::character && !value.is_array()) {
      const std::string text = text_of(type, value, path);
      if (text.size() > type.count) {
        throw ValueError((path.empty() ? "" : "at " + path + ": ") + "the text has " + std::to_string(text.size()) +
                         " bytes, and there is room for " + std::to_string(type.count));
      }
      std::memcpy(at, text.data(), text.size());
      return;
    }
    if (!value.is_array() || value.size() != type.count) refuse(path, type, value);
    for (std::size_t i = 0; i < value.size(); ++i) write(element, value[i], at + i * element.size, inside(path, i));
  }

  void write_members(const Type& type, const Json& value, std::byte* at, const std::string& path) {
    if (type.parts.size() == 1) {
      try {
        const Tries::One one(tries_);
        return write(type.parts.front(), value, at, path);
      } catch (const ValueError&) {
        if (!value.is_array() || value.size() != 1) throw;
      }
    }
    if (!value.is_array() || value.size() != type.parts.size()) refuse(path, type, value);
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const Type& part = type.parts[i];
      offset = (offset + part.align - 1) / part.align * part.align;
      write(part, value[i], at + offset, inside(path, i));
      offset += part.size;
    }
  }

  static void put(std::byte* at, std::uint64_t number, std::uint64_t size) {
    const auto u8 = static_cast<std::uint8_t>(number);
    const auto u16 = static_cast<std::uint16_t>(number);
    const auto u32 = static_cast<std::uint32_t>(number);
    const void* const from = size == 1   ? static_cast<const void*>(&u8)
                             : size == 2 ? static_cast<const void*>(&u16)
                             : size == 4 ? static_cast<const void*>(&u32)
                                         : static_cast<const void*>(&number);
    std::memcpy(at, from, static_cast<std::size_t>(size));
  }

  Tries& tries_;
};

/// Writes a value as codecs do, docs/protocol.md section 3.
class Encoder {
 public:
  explicit Encoder(Tries& tries) : tries_(tries) {}

  /// As one that was not flat: else the message would be of fixed size.
  void value(const Type& stated, const Json& value, const std::string& path) {
    const Enclosing::Level level(around_, stated);
    const Type& type = level.type();
    switch (type.kind) {
      case Kind::string:
      case Kind::bytes:
      case Kind::coded:
        return put_text(text_of(type, value, path));
      case Kind::vector:
        return vector(type, value, path);
      case Kind::optional:
        return optional(type, value, path);
      case Kind::variant:
        return variant(type, value, path);
      case Kind::aggregate:
      case Kind::tuple:
        return members(type, value, path);
      case Kind::array:
        return array(type, value, path);
      default:
        return flat(type, value, path);
    }
  }

  std::vector<std::byte> bytes;

 private:
  void flat(const Type& type, const Json& value, const std::string& path) {
    const std::size_t at = bytes.size();
    bytes.resize(at + static_cast<std::size_t>(type.size));
    FlatEncoder(tries_).write(type, value, bytes.data() + at, path);
  }

  void part(const Type& type, const Json& value, const std::string& path) {
    if (is_flat(type)) return flat(type, value, path);
    const std::size_t at = bytes.size();
    put_number(0);
    this->value(type, value, path);
    const auto length = static_cast<std::uint32_t>(bytes.size() - at - sizeof(std::uint32_t));
    std::memcpy(bytes.data() + at, &length, sizeof length);
  }

  void vector(const Type& type, const Json& value, const std::string& path) {
    const Type& element = type.parts.front();
    if (!value.is_array()) {
      const bool is_text = element.kind == Kind::character;
      if (!is_text && (element.kind != Kind::unsigned_integer || element.size != 1 || !value.is_object()))
        refuse(path, type, value);
      return put_text(text_of(type, value, path));
    }
    for (std::size_t i = 0; i < value.size(); ++i) part(element, value[i], inside(path, i));
  }

  void optional(const Type& type, const Json& value, const std::string& path) {
    const Type& held = type.parts.front();
    bytes.push_back(std::byte{!value.is_null()});
    if (value.is_null()) return;
    if (held.kind != Kind::optional) return part(held, value, path);
    if (!value.is_object() || value.size() != 1 || value.begin().key() != "some") refuse(path, type, value);
    part(held, *value.begin(), path + ".some");
  }

  void variant(const Type& type, const Json& value, const std::string& path) {
    if (value.is_object() && value.size() == 1) {
      for (std::size_t i = 0; i < type.parts.size(); ++i) {
        const std::string& key = value.begin().key();
        if (key != std::to_string(i) && (key.empty() || key != type.parts[i].schema)) continue;
        put_number(static_cast<std::uint32_t>(i));
        return part(type.parts[i], *value.begin(), path + '.' + key);
      }
    }
    const std::size_t at = bytes.size();
    std::vector<std::byte> fitting;
    unsigned fits = 0;
    for (std::size_t i = 0; i < type.parts.size(); ++i) {
      try {
        const Tries::One one(tries_);
        put_number(static_cast<std::uint32_t>(i));
        part(type.parts[i], value, path);
        if (++fits == 1) fitting = bytes;
      } catch (const ValueError&) {
      }
      bytes.resize(at);
    }
    if (fits == 0) refuse(path, type, value);
    if (fits > 1) {
      throw ValueError((path.empty() ? "" : "at " + path + ": ") +
                       "several alternatives take this value; say which: {\"0\": " + shown(value) + "}");
    }
    bytes = std::move(fitting);
  }

  void members(const Type& type, const Json& value, const std::string& path) {
    if (type.parts.size() == 1) {
      const std::size_t at = bytes.size();
      try {
        const Tries::One one(tries_);
        return part(type.parts.front(), value, path);
      } catch (const ValueError&) {
        bytes.resize(at);
        if (!value.is_array() || value.size() != 1) throw;
      }
    }
    if (!value.is_array() || value.size() != type.parts.size()) refuse(path, type, value);
    for (std::size_t i = 0; i < value.size(); ++i) part(type.parts[i], value[i], inside(path, i));
  }

  void array(const Type& type, const Json& value, const std::string& path) {
    const Type& element = type.parts.front();
    if (is_flat(element)) return flat(type, value, path);
    if (!value.is_array() || value.size() != type.count) refuse(path, type, value);
    for (std::size_t i = 0; i < value.size(); ++i) part(element, value[i], inside(path, i));
  }

  void put_text(std::string_view text) {
    const auto* const first = reinterpret_cast<const std::byte*>(text.data());
    bytes.insert(bytes.end(), first, first + text.size());
  }
  void put_number(std::uint32_t number) {
    std::byte raw[sizeof number];
    std::memcpy(raw, &number, sizeof number);
    bytes.insert(bytes.end(), raw, raw + sizeof number);
  }

  Tries& tries_;
  Enclosing around_;
};

}  // namespace

std::vector<std::byte> encode(const Type& type, const Json& value, Form form) try {
  Tries tries;
  if (form.is_variable) {
    Encoder encoder(tries);
    encoder.value(type, value, "");
    return std::move(encoder.bytes);
  }
  if (!type.has_layout) throw ValueError("nobody can tell how this message lies in memory; give its bytes: --hex");
  std::vector<std::byte> bytes(static_cast<std::size_t>(type.size));
  FlatEncoder(tries).write(type, value, bytes.data(), "");
  return bytes;
} catch (const Tries::TooMany&) {
  throw ValueError("there are too many ways to read this value; say which alternatives of variants it has: {\"0\": …}");
}

std::vector<std::byte> from_hex(const std::string& digits) {
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : digits) {
    if (c == ' ') continue;
    const std::size_t at = std::string_view("0123456789abcdef0123456789ABCDEF").find(c);
    if (at == std::string_view::npos) throw ValueError("'" + digits + "' is not a row of pairs of hexadecimal digits");
    const int digit = static_cast<int>(at % 16);
    if (high >= 0) bytes.push_back(static_cast<std::byte>(high * 16 + digit));
    high = high >= 0 ? -1 : digit;
  }
  if (high >= 0) throw ValueError("'" + digits + "' has an odd number of hexadecimal digits");
  return bytes;
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string digits;
  digits.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    digits += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4];
    digits += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
  }
  return digits;
}

}  // namespace tool
