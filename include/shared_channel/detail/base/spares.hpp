// Memory that is used again at once, instead of a way to the allocator and back for each asynchronous call.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <new>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Blocks of one size. Thread-safe.
class Spares {
 public:
  explicit Spares(std::size_t block_bytes) noexcept : block_bytes_(block_bytes) {}
  ~Spares() {
    for (const auto& spare : spares_) ::operator delete(spare.load(std::memory_order_acquire));
  }
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;

  [[nodiscard]] void* take() {
    if (const std::size_t kept = kept_.load(std::memory_order_relaxed); kept > 0) {
      void* const spare = spares_[kept - 1].exchange(nullptr, std::memory_order_acquire);
      kept_.store(kept - 1, std::memory_order_relaxed);
      if (spare != nullptr) return spare;
    }
    return ::operator new(block_bytes_);
  }

  void give(void* block) noexcept {
    if (const std::size_t kept = kept_.load(std::memory_order_relaxed); kept < most) {
      void* none = nullptr;
      const bool is_kept =
          spares_[kept].compare_exchange_strong(none, block, std::memory_order_release, std::memory_order_relaxed);
      kept_.store(kept + 1, std::memory_order_relaxed);
      if (is_kept) return;
    }
    ::operator delete(block);
  }

 private:
  static constexpr std::size_t most = 64;

  const std::size_t block_bytes_;
  std::atomic<std::size_t> kept_{0};  // how many are kept; only a guess while several threads use it
  std::array<std::atomic<void*>, most> spares_{};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
