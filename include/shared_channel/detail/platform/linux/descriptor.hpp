// Descriptors that are ours alone.
#pragma once

#include <concepts>
#include <utility>

#include <shared_channel/detail/platform/linux/file_identity.hpp>
#include <shared_channel/detail/platform/linux/fork_guard.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// A descriptor that the ForkGuard closes in children. -1: none.
class Descriptor {
 public:
  Descriptor() = default;
  /// `open` answers with one, or with -1 and errno.
  template <std::invocable Open>
  explicit Descriptor(Open&& open)
      : held_(&ForkGuard::instance().hold([&](ForkGuard::Held& held) { held.descriptor = open(); })) {}
  /// Two of a kind. `open` writes both, or -1.
  template <class Open>
  static std::pair<Descriptor, Descriptor> two(Open&& open) {
    const auto [one, other] = ForkGuard::instance().hold_two(
        [&](ForkGuard::Held& first, ForkGuard::Held& second) { open(first.descriptor, second.descriptor); });
    return {Descriptor(*one), Descriptor(*other)};
  }
  Descriptor(Descriptor&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Descriptor() {
    if (held_ != nullptr) ForkGuard::instance().release(*held_);
  }

  [[nodiscard]] int get() const noexcept { return held_ != nullptr ? held_->descriptor : -1; }
  /// Whether `open` gave a descriptor. Then a file that it made exists, even if the descriptor could not be kept.
  [[nodiscard]] bool was_opened() const noexcept { return held_ != nullptr && held_->was_opened; }
  /// Whether it is still the file that was opened.
  [[nodiscard]] bool is_ours() const noexcept { return held_ != nullptr && held_->is_ours(); }
  /// The file that was opened, even if the program has closed it since. Only where one was opened.
  [[nodiscard]] const FileIdentity& file() const noexcept { return held_->file; }
  explicit operator bool() const noexcept { return get() >= 0; }

 private:
  explicit Descriptor(const ForkGuard::Held& held) noexcept : held_(&held) {}

  const ForkGuard::Held* held_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
