// How a thread that sleeps until there is news of asynchronous calls is told of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/client/wait_bell.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Wakes a watcher, or a caller that waits for the watcher's word. One sleeper, any number of ringers, one process;
/// doorbell.hpp has the argument: R1 is `news_`, and S3 looks at it.
template <class Platform>
class NewsBell {
  using WaitSet = typename Platform::WaitSet;
  using Entries = typename WaitSet::Entries;
  using Watch = typename Platform::Watch;

 public:
  /// Makes ready to sleep. 0, or why that cannot be.
  int prepare() { return bell_.prepare(); }

  /// To be called once what the sleeper is to find has been published.
  void ring() noexcept {
    news_.store(true, std::memory_order_seq_cst);  // R1
    bell_.ring();
  }

  [[nodiscard]] bool has_news() const noexcept { return news_.load(std::memory_order_seq_cst); }
  /// To be called before looking at anything that is rung for: later news would be lost with those before.
  void take_news() noexcept { news_.exchange(false, std::memory_order_seq_cst); }

  /// Sleeps until a ring, or until what `look` says: it runs after the announcement, and answers with the entries to
  /// sleep on, or nothing if there is no need to.
  template <class Look>
  platform::Wake sleep(Look&& look, Deadline& deadline, const Watch* server) {
    const auto wait = [&](WaitSet& set, std::uint32_t ticket) {
      const std::optional<Entries> entries = look();
      return entries ? set.wait(ticket, *entries, deadline, server) : platform::Wake::signalled;
    };
    return bell_.sleep(
        platform::Wake::signalled, [this] { return has_news(); }, wait);
  }

 private:
  WaitBell<Platform> bell_;
  std::atomic<bool> news_{false};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
