// What may travel as a message, and how each kind is written to and read from a frame.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <shared_channel/channel.hpp>
#include <shared_channel/codec.hpp>
#include <shared_channel/description.hpp>
#include <shared_channel/detail/base/address_of.hpp>
#include <shared_channel/detail/base/copy_bytes.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Up to this size a handler, or the `read` of call_in_place(), sees a private copy, so that a peer that goes on
/// writing cannot change the message under its eyes. It sees a larger one in place. What call() returns and what a
/// Codec decodes is copied, whatever its size.
inline constexpr std::size_t copy_limit = 4096;

// ---- three kinds of message -------------------------------------------------------------------------

template <class T>
concept BytesMessage = std::same_as<T, Bytes>;

/// Exactly sizeof(T) bytes, in place.
template <class T>
concept FixedMessage = !BytesMessage<T> && Flat<T>;

/// Any length, through its Codec.
template <class T>
concept CodedMessage = !BytesMessage<T> && !FixedMessage<T> && Encodable<T>;

/// Checks T with a sentence for each way in which it can be unfit. Pointers inside a struct cannot
/// be seen from here: they would point into the other process.
template <class T>
constexpr bool check_message() {
  static_assert(!std::is_reference_v<T>, "SharedChannel: a message type must not be a reference; use the type itself");
  static_assert(!std::is_const_v<T> && !std::is_volatile_v<T>,
                "SharedChannel: a message type must not be const or volatile");
  static_assert(!std::is_void_v<T> && !std::is_function_v<T> && !std::is_array_v<T>,
                "SharedChannel: a message type must be an object type that can be returned; put arrays into a struct");
  static_assert(!is_view<T>,
                "SharedChannel: a message type must not be a pointer or a view; it would point into the other process");
  if constexpr (!BytesMessage<T>) {
    static_assert(
        FixedMessage<T> || CodedMessage<T>,
        "SharedChannel: a message type must be trivially copyable, because its bytes are copied between processes, "
        "or have a shared_channel::Codec");
  }
  if constexpr (FixedMessage<T>) {
    static_assert(sizeof(T) != 0, "SharedChannel: a message type must have at least one byte");
    static_assert(sizeof(T) <= max_message_bytes, "SharedChannel: a message type must not exceed 1 GiB");
    static_assert(alignof(T) <= largest_alignment,
                  "SharedChannel: a message type must not be aligned to more than a page (4096)");
  }
  return true;
}

template <class T>
constexpr std::uint32_t size_of(std::uint32_t most) {
  if constexpr (FixedMessage<T>)
    return sizeof(T);
  else
    return most;
}
template <class T>
constexpr std::uint32_t align_of() {
  if constexpr (FixedMessage<T>)
    return alignof(T);
  else
    return inline_alignment;
}

/// The shape of a channel's slots. The maxima count for messages of variable length; a client leaves them 0 and takes
/// the server's.
template <class Request, class Reply>
constexpr Shape shape_of(std::uint32_t most_request_bytes = 0, std::uint32_t most_reply_bytes = 0) {
  static_assert(check_message<Request>() && check_message<Reply>());
  static_assert(BytesMessage<Request> == BytesMessage<Reply>, "SharedChannel: Bytes goes both ways or neither");
  const std::uint32_t variable = (FixedMessage<Request> ? 0u : 1u) | (FixedMessage<Reply> ? 0u : 2u);
  return Shape{size_of<Request>(most_request_bytes), align_of<Request>(),
               size_of<Reply>(most_reply_bytes),     align_of<Reply>(),
               static_cast<Framing>(variable),       0};
}

template <class Request, class Reply>
Contract contract_of(std::uint32_t most_request_bytes = 0, std::uint32_t most_reply_bytes = 0) {
  return Contract{shape_of<Request, Reply>(most_request_bytes, most_reply_bytes),
                  std::string(description_of<Request>()), std::string(description_of<Reply>())};
}

// ---- bytes and objects ------------------------------------------------------------------------------

/// The object whose bytes lie at `bytes`.
template <class T>
T& object_at(std::byte* bytes) noexcept {
  return *std::launder(reinterpret_cast<T*>(bytes));
}
template <class T>
const T& object_at(const std::byte* bytes) noexcept {
  return *std::launder(reinterpret_cast<const T*>(bytes));
}

/// An object at `bytes` for somebody to fill. Small ones start out value-initialised, or as zeros where the type cannot
/// be; large ones hold what an earlier message left there, because clearing a mebibyte costs as much as sending it.
template <class T>
T& fresh_object_at(std::byte* bytes) {
  if constexpr (sizeof(T) <= copy_limit && std::is_default_constructible_v<T>) {
    return *::new (static_cast<void*>(bytes)) T();
  } else {
    if constexpr (sizeof(T) <= copy_limit) std::memset(static_cast<void*>(bytes), 0, sizeof(T));
    return object_at<T>(bytes);
  }
}

/// Writes a message, and answers `fits`; or with its size, if that is more than the frame can carry: then nothing was
/// written.
template <class T>
[[nodiscard]] std::size_t write_message(const T& message, const Frame& frame) {
  if constexpr (FixedMessage<T>) {
    std::memcpy(static_cast<void*>(frame.fixed()), address_of(message), sizeof(T));
  } else {
    const std::size_t bytes = Codec<T>::size(message);
    if (bytes > frame.capacity()) return bytes;
    Codec<T>::encode(message, span_of(frame.place(bytes), bytes));
  }
  return fits;
}

/// The bytes of a message: a private copy up to copy_limit, else where they lie.
class PrivateBytes {
 public:
  explicit PrivateBytes(const CheckedBytes& shared) noexcept : bytes_(shared.data), size_(shared.size) {
    if (size_ > copy_limit) return;
    copy_bytes(copy_, shared.data, size_);
    bytes_ = copy_;
  }
  PrivateBytes(const PrivateBytes&) = delete;
  PrivateBytes& operator=(const PrivateBytes&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return span_of(bytes_, size_); }

 private:
  const std::byte* bytes_;
  std::size_t size_;
  alignas(inline_alignment) std::byte copy_[copy_limit];  // as in the slot
};

/// Calls `use` with the bytes of a message: a private copy up to copy_limit, or of any size if `private_copy`
/// says so. If the stated length exceeds the frame, `use` is not called, and the answer is the value-initialised one:
/// false, or an empty optional.
template <class Use>
auto with_bytes(const Frame& frame, bool private_copy, Use&& use)
    -> std::invoke_result_t<Use&, std::span<const std::byte>> {
  const CheckedBytes shared = frame.checked();
  if (!shared) return {};
  if (!private_copy || shared.size <= copy_limit) return use(PrivateBytes(shared).bytes());
  const std::string copy(reinterpret_cast<const char*>(shared.data), shared.size);
  return use(span_of(reinterpret_cast<const std::byte*>(copy.data()), shared.size));
}

/// The value of a coded message; nothing if its bytes are malformed. A decoder may look at a byte twice, so it never
/// sees the shared ones.
template <CodedMessage T>
std::optional<T> decode_message(const Frame& frame) {
  return with_bytes(frame, true,
                    [](std::span<const std::byte> bytes) { return std::optional<T>(Codec<T>::decode(bytes)); });
}

/// Shows `read` the bytes of the reply in a frame; what `core` says of an impossible length.
template <class Read, class Core>
Result<void> show_reply(const Frame& frame, Read& read, const Core& core) {
  const bool is_possible = with_bytes(frame, false, [&](std::span<const std::byte> bytes) {
    read(bytes);
    return true;
  });
  if (!is_possible) return core.undecodable();
  return {};
}

/// The reply in a frame, as a value; what `core` says of bytes that are none.
template <class Reply, class Core>
Result<Reply> read_reply(const Frame& frame, const Core& core) {
  if constexpr (std::same_as<Reply, bool>) {
    const std::byte byte = *frame.fixed();
    if (!is_value<bool>(&byte)) return core.undecodable();
    return FromBytes{&byte}.make<Result<Reply>>();
  } else if constexpr (FixedMessage<Reply>) {
    return FromBytes{frame.fixed()}.make<Result<Reply>>();
  } else {
    if (std::optional<Reply> reply = decode_message<Reply>(frame)) return *std::move(reply);
    return core.undecodable();
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
