// The slots of a mapped segment, and where each of their messages lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include <shared_channel/detail/base/integer_cast.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What a writer answers if its message had room; else it answers how many bytes the message takes.
inline constexpr std::size_t fits = 0;

/// A message that the peer wrote: its length was loaded once, and the frame has room for so many bytes. Else it is
/// nothing: no data, and 0 bytes.
struct CheckedBytes {
  const std::byte* data = nullptr;
  std::size_t size = 0;

  explicit operator bool() const noexcept { return data != nullptr; }
};

/// One direction's message in one slot. A message of fixed size lies at fixed(). One of variable length lies inline if
/// it has at most inline_capacity bytes, even if the capacity is larger, so that a short message travels beside its
/// words. Code that knows the type of the message knows which of the two it is. Code that does not (raw channels) may
/// ask, and treats either as bytes: a message of fixed size has capacity() of them.
class Frame {
 public:
  Frame(Slot& slot, std::byte* area, std::size_t capacity, bool is_fixed = false) noexcept
      : slot_(&slot), area_(area), capacity_(capacity), is_fixed_(is_fixed) {}

  [[nodiscard]] std::byte* fixed() const noexcept { return area_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool is_fixed() const noexcept { return is_fixed_; }
  /// Whether a message may have so many bytes.
  [[nodiscard]] bool takes(std::size_t bytes) const noexcept {
    return is_fixed_ ? bytes == capacity_ : bytes <= capacity_;
  }

  /// Where a message of `bytes`, at most capacity(), is to be written. Sets the length, unless that is fixed.
  [[nodiscard]] std::byte* place(std::size_t bytes) const noexcept {
    if (!is_fixed_) set_length(bytes);
    return at(bytes);
  }

  /// For a writer that does not know beforehand how much of capacity() it will use: once it has written at fixed(), a
  /// message that turned out short moves to where short ones are looked for.
  void commit(std::size_t bytes) const noexcept {
    if (is_fixed_) return;
    if (at(bytes) != area_) std::memcpy(at(bytes), area_, bytes);
    set_length(bytes);
  }

  /// Says how long a message would be that is too long for the frame; as far as the length word reaches.
  void refuse(std::size_t bytes) const noexcept {
    constexpr std::size_t most = (std::numeric_limits<std::uint32_t>::max)();
    set_length(bytes < most ? bytes : most);
  }

  /// The message that lies here; nothing if its writer, who is not trusted, states a length beyond capacity(): that
  /// ends the call as corrupt. Every reader of a message of variable length asks here. (The text of a failure has a
  /// bound of its own: Call::text().)
  [[nodiscard]] CheckedBytes checked() const noexcept {
    const std::size_t bytes = is_fixed_ ? capacity_ : length();  // loaded once
    if (bytes > capacity_) return {};
    return {at(bytes), bytes};
  }

  [[nodiscard]] std::size_t length() const noexcept { return slot_->length.load(std::memory_order_relaxed); }
  void set_length(std::size_t bytes) const noexcept {
    slot_->length.store(integer_cast<std::uint32_t>(bytes), std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] std::byte* at(std::size_t bytes) const noexcept {
    return bytes <= inline_capacity && !is_fixed_ ? slot_->inline_bytes : area_;
  }

  Slot* slot_;
  std::byte* area_;
  std::size_t capacity_;
  bool is_fixed_;
};

/// Both sides compute it from constants of their own.
class SlotArray {
 public:
  SlotArray() = default;
  SlotArray(std::byte* segment, const Shape& shape, std::uint32_t count) noexcept
      : SlotArray(segment, shape, Geometry::of(shape, count), count) {}

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] Slot& operator[](std::uint32_t index) const noexcept {
    return *reinterpret_cast<Slot*>(first_ + index * stride_);
  }
  [[nodiscard]] Frame request(Slot& slot) const noexcept {
    return Frame(slot, bytes(slot) + request_offset_, request_capacity_, request_is_fixed_);
  }
  [[nodiscard]] Frame reply(Slot& slot) const noexcept {
    return Frame(slot, bytes(slot) + reply_offset_, reply_capacity_, reply_is_fixed_);
  }
  /// Overwrites every byte of messages and texts. For the slot's owner, while no worker is at it.
  void clear(Slot& slot) const noexcept {
    std::memset(slot.text, 0, sizeof slot.text);
    std::memset(slot.inline_bytes, 0, sizeof slot.inline_bytes);
    std::memset(bytes(slot) + sizeof(Slot), 0, stride_ - sizeof(Slot));
  }

 private:
  SlotArray(std::byte* segment, const Shape& shape, const Geometry& geometry, std::uint32_t count) noexcept
      : first_(segment + geometry.slots_offset),
        stride_(static_cast<std::size_t>(geometry.slot_stride)),
        request_offset_(static_cast<std::size_t>(geometry.request_offset)),
        reply_offset_(static_cast<std::size_t>(geometry.reply_offset)),
        request_capacity_(shape.request_size),
        reply_capacity_(shape.reply_size),
        count_(count),
        request_is_fixed_(!has_variable_request(shape.framing)),
        reply_is_fixed_(!has_variable_reply(shape.framing)) {}

  static std::byte* bytes(Slot& slot) noexcept { return reinterpret_cast<std::byte*>(&slot); }

  std::byte* first_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t request_offset_ = 0;
  std::size_t reply_offset_ = 0;
  std::size_t request_capacity_ = 0;
  std::size_t reply_capacity_ = 0;
  std::uint32_t count_ = 0;
  bool request_is_fixed_ = false;
  bool reply_is_fixed_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
