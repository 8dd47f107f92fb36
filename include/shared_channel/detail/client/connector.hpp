// Finds the channel's server and attaches to it, once or until one comes; and looks for a successor when the server
// seems to be gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/duration_text.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/without_memory.hpp>
#include <shared_channel/detail/client/cancellation.hpp>
#include <shared_channel/detail/client/connection.hpp>
#include <shared_channel/detail/client/current_connection.hpp>
#include <shared_channel/detail/client/server_trust.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/detail/wait/adaptive_spin.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Everything is thread-safe.
template <class Platform>
class Connector {
  using Connection = detail::Connection<Platform>;
  using CurrentConnection = detail::CurrentConnection<Platform>;
  using Mutex = typename Platform::Mutex;

 public:
  using Pin = typename CurrentConnection::Pin;

  Connector(Names names, Contract contract, const ClientOptions& options)
      : names_(std::move(names)), contract_(std::move(contract)), options_(options), spin_(options.wait) {}
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  [[nodiscard]] const Names& names() const noexcept { return names_; }

  /// The connection in use, kept open by the pin; an empty pin if there is none.
  [[nodiscard]] Pin current() noexcept { return current_.current(); }
  /// The same, if its server is alive. Lets go of one whose server has ended: the next one may need the memory.
  [[nodiscard]] Pin living() noexcept {
    Pin pin = current();
    if (!pin || pin->server().look() == platform::Peer::alive) return pin;
    retire(pin);
    return {};
  }

  /// Nobody gets the pinned connection any more.
  void retire(const Pin& pin) noexcept { current_.retire(pin); }

  /// How many calls use a connection at this moment, or wait for one.
  [[nodiscard]] std::uint32_t users() noexcept {
    return connecting_count_.load(std::memory_order_acquire) + current_.users();
  }

  // For raw clients: their bytes must not reach a server of other messages than they were made for, even if they fit.

  /// True if this is the first server's contract, and the user was told of no other since.
  [[nodiscard]] bool is_usual(std::uint64_t contract) const noexcept {
    return first_.load(std::memory_order_relaxed) == contract && is_as_told(contract);
  }
  /// Notes the contract of a server. True if that server may be called: the user was told of this contract last, or of
  /// none.
  [[nodiscard]] bool may_call(std::uint64_t contract) noexcept {
    std::uint64_t first = 0;
    if (!first_.compare_exchange_strong(first, contract, std::memory_order_relaxed) && first != contract)
      has_changed_.store(true, std::memory_order_relaxed);
    return is_as_told(contract);
  }
  /// Whether there have been servers of two contracts.
  [[nodiscard]] bool has_changed() const noexcept { return has_changed_.load(std::memory_order_relaxed); }
  /// The contract of the connection, which from now on is the one that the user knows.
  [[nodiscard]] Contract told_contract(const Connection& connection) {
    told_.store(connection.contract_id(), std::memory_order_relaxed);
    return connection.contract();
  }

  /// Makes a connection current; the options say whether that waits for a server.
  Result<void> connect(Deadline& deadline);

  /// The same, waiting for a server until the deadline.
  Result<void> wait_for_server(Deadline& deadline);

  /// After a call that ended without a word from its server: looks whether the server has a successor, and retires it
  /// if so. Its liveness word is no proof of life: a stray write may have lit it, or a death have left it lit. A record
  /// that names no generation proves nothing, nor does the record of a user who may not serve us.
  void look_for_successor(const Pin& pin) noexcept;
  /// The same, for where no file may be opened: under a mutex of ours, which others may want in fork(), or by who may
  /// not block. The client's next question looks.
  void look_later() noexcept { is_look_due_.store(true, std::memory_order_relaxed); }
  void look_if_due() noexcept {
    if (!is_look_due_.load(std::memory_order_relaxed)) [[likely]]
      return;
    if (const Pin pin = current()) look_for_successor(pin);
  }

 private:
  [[nodiscard]] bool has_successor(const Connection& connection) const {
    const auto current = Platform::ServerLease::current_generation(names_);
    return current && current->generation != connection.generation() &&
           ServerTrust<Platform>::allows(options_.server, current->owner);
  }

  [[nodiscard]] bool is_as_told(std::uint64_t contract) const noexcept {
    const std::uint64_t told = told_.load(std::memory_order_relaxed);
    return told == 0 || told == contract;
  }

  /// How often a client that waits for a server looks for one.
  static constexpr nanoseconds search_interval = std::chrono::milliseconds(5);

  /// How often a client whose calls end so looks whether its server is still the channel's.
  static constexpr nanoseconds successor_interval = std::chrono::milliseconds(500);

  /// How often a client that cannot attach wakes the server that ought to be there.
  static constexpr nanoseconds wake_interval = std::chrono::milliseconds(500);

  /// How long a server may take to mend what makes its memory look corrupted.
  static constexpr nanoseconds mending = std::chrono::seconds(3);

  /// Takes the next interval, if its time has come. True for one thread in each.
  static bool claim_interval(std::atomic<std::int64_t>& next, nanoseconds interval) noexcept {
    const std::int64_t now = Clock::now().time_since_epoch().count();
    std::int64_t due = next.load(std::memory_order_relaxed);
    const std::int64_t after = now + std::chrono::duration_cast<Clock::duration>(interval).count();
    return now >= due && next.compare_exchange_strong(due, after, std::memory_order_relaxed);
  }

  static bool is_perhaps_damage(Errc code) noexcept {
    return code == Errc::no_server || code == Errc::server_stopped || code == Errc::corrupt ||
           code == Errc::layout_mismatch;
  }

  /// How often a thread looks whether another one has connected. Connecting rarely takes longer than the yields before.
  static constexpr nanoseconds glance_interval = std::chrono::microseconds(100);
  static constexpr unsigned yields_before_rest = 1000;

  class Counted {
   public:
    explicit Counted(std::atomic<std::uint32_t>& count) noexcept : count_(count) { count_.fetch_add(1); }
    ~Counted() { count_.fetch_sub(1); }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

   private:
    std::atomic<std::uint32_t>& count_;
  };

  /// One thread connects at a time. The others wait for it, but not beyond their deadlines.
  class ConnectingThread {
   public:
    ConnectingThread(Connector& connector, Deadline& deadline) noexcept : connector_(connector) {
      for (unsigned look = 0;; ++look) {
        is_it_ = connector.connecting_.try_lock();
        if (is_it_ || deadline.passed()) return;
        if (look < yields_before_rest)
          std::this_thread::yield();
        else
          rest_for<Platform>(deadline, glance_interval);
      }
    }
    ~ConnectingThread() {
      if (is_it_) connector_.connecting_.unlock();
    }
    ConnectingThread(const ConnectingThread&) = delete;
    ConnectingThread& operator=(const ConnectingThread&) = delete;

    explicit operator bool() const noexcept { return is_it_; }

   private:
    Connector& connector_;
    bool is_it_ = false;
  };

  /// Makes a connection current, unless another thread has done so meanwhile.
  Result<void> connect_once(Deadline& deadline) {
    const ConnectingThread me(*this, deadline);
    if (!me && deadline.is_interrupted()) return cancelled();
    if (!me)
      return names_.error(Errc::timed_out, "another thread was still connecting after " +
                                               duration_text(deadline.timeout()) + "; the request was not sent");
    if (living()) return {};
    auto connection = Connection::attach(names_, contract_, options_, spin_);
    if (!connection) {
      if (is_perhaps_damage(connection.error().code()) && claim_interval(next_wake_, wake_interval))
        Connection::wake_lost_server(names_, options_);
      return std::move(connection).error();
    }
    current_.install(*std::move(connection));
    SHARED_CHANNEL_TEST_POINT(client_connected);
    return {};
  }

  Result<void> connect_patiently(Deadline& deadline) {
    Deadline mended(mending);
    for (;;) {
      auto connected = connect_once(deadline);
      if (connected) return connected;
      const Errc code = connected.error().code();
      const bool may_come = code == Errc::no_server || code == Errc::server_stopped || code == Errc::server_died ||
                            (code == Errc::corrupt && !mended.passed());
      if (!may_come) return connected;
      if (deadline.is_interrupted()) return cancelled();
      if (deadline.passed()) return none_came(connected.error(), deadline);
      rest_for<Platform>(deadline, search_interval);
    }
  }

  Error cancelled() const {
    return names_.error(Errc::cancelled, "the call was cancelled before it was attached to a server, and never runs");
  }

  /// What was found, and what to do about it, unless that is said already.
  Error none_there(const Error& found, std::string waited, const char* advice) const {
    const bool is_advised = found.code() != Errc::no_server || found.cause().find(';') != std::string::npos;
    return names_.error(found.code(), std::move(waited) + found.cause() + (is_advised ? "" : advice), found.native());
  }
  Error none_came(const Error& found, const Deadline& deadline) const {
    return none_there(found, "waited " + duration_text(deadline.timeout()) + ": ", "; start it, or wait longer");
  }

  const Names names_;
  const Contract contract_;
  const ClientOptions options_;
  AdaptiveSpin spin_;  // outlives the connections that use it
  Mutex connecting_;
  std::atomic<std::uint32_t> connecting_count_{0};  // threads that connect, or wait until one has
  std::atomic<std::uint64_t> told_{0};              // contract_id()s
  std::atomic<std::uint64_t> first_{0};
  std::atomic<bool> has_changed_{false};
  std::atomic<std::int64_t> next_successor_look_{0};  // on the steady clock
  std::atomic<std::int64_t> next_wake_{0};
  std::atomic<bool> is_look_due_{false};
  CurrentConnection current_;
};

template <class Platform>
Result<void> Connector<Platform>::connect(Deadline& deadline) {
  const typename Platform::NoCancellation uncancelled;
  const Counted user(connecting_count_);
  if (options_.wait_for_server) return connect_patiently(deadline);
  auto connected = connect_once(deadline);
  if (!connected && connected.error().code() == Errc::no_server)
    return none_there(connected.error(), "", "; start it, or set ClientOptions::wait_for_server");
  return connected;
}

template <class Platform>
Result<void> Connector<Platform>::wait_for_server(Deadline& deadline) {
  const typename Platform::NoCancellation uncancelled;
  const Counted user(connecting_count_);
  return connect_patiently(deadline);
}

template <class Platform>
void Connector<Platform>::look_for_successor(const Pin& pin) noexcept {
  if (!claim_interval(next_successor_look_, successor_interval)) return;
  is_look_due_.store(false, std::memory_order_relaxed);
  const typename Platform::NoCancellation uncancelled;
  if (or_without_memory([&] { return has_successor(*pin); }, [] { return false; })) current_.retire(pin);
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
