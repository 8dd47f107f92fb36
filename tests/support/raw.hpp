// The bytes of raw messages as values and texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <shared_channel/raw.hpp>

namespace test_support {

// A value as the bytes of a raw message.
template <class T>
std::span<const std::byte> bytes_of(const T& value) requires(std::is_trivially_copyable_v<T> && !std::is_array_v<T>) {
  return std::as_bytes(std::span(&value, 1));
}
inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class T>
std::span<std::byte> room_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

template <class T>
T value_of(std::span<const std::byte> bytes) {
  T value{};
  if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}
inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a raw call of any length gets, as text. `limits` is CallOptions or a timeout.
inline shared_channel::Result<std::string> ask_raw(shared_channel::RawClient& client, std::string_view request,
                                                   const auto& limits) {
  std::string answer;
  auto asked = client.call_in_place(
      [&](std::span<std::byte> room) {
        if (request.size() <= room.size()) std::memcpy(room.data(), request.data(), request.size());
        return request.size();
      },
      [&](std::span<const std::byte> reply) { answer = text_of(reply); }, limits);
  if (!asked) return std::move(asked).error();
  return answer;
}

inline shared_channel::MessageShape fixed_message(std::uint32_t size, std::uint32_t align = 1,
                                                  std::string description = {}) {
  return {size, align, false, std::move(description)};
}
inline shared_channel::MessageShape variable_message(std::uint32_t most, std::string description = {}) {
  return {most, 16, true, std::move(description)};
}

// A handler that answers with what it got.
inline constexpr auto echo_bytes = [](std::span<const std::byte> request, std::span<std::byte> reply) {
  if (request.size() <= reply.size() && !request.empty()) std::memcpy(reply.data(), request.data(), request.size());
  return request.size();
};

}  // namespace test_support
