// One look at one channel. Every object is copied, piece by piece, into memory of our own before anything in it is
// looked at: what a peer does meanwhile makes the copy old or wrong, and no more.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include <shared_channel/channel_info.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/inspect/call_view.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/inspection.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// A copy of one of the layout's structs.
template <class T>
class CopyOf {
 public:
  [[nodiscard]] bool read(const platform::ObjectReader& object, std::uint64_t offset) noexcept {
    return object.read(offset, bytes_, sizeof bytes_);
  }
  [[nodiscard]] const T& operator*() const noexcept { return *std::launder(reinterpret_cast<const T*>(bytes_)); }
  [[nodiscard]] const T* operator->() const noexcept { return &**this; }

 private:
  alignas(T) std::byte bytes_[sizeof(T)] = {};
};

class Inspector {
  using ObjectReader = platform::ObjectReader;
  using Hold = platform::Hold;

 public:
  explicit Inspector(const Names& names) : names_(names) {}

  Result<ChannelInfo> look() {
    // A server may be replaced between two of the steps; then the next round finds its successor.
    constexpr int rounds = 4;
    for (int round = 1;; ++round) {
      auto info = look_once();
      if (info || info.error().code() != Errc::no_server || !was_there_) return info;
      if (round == rounds) return unreadable("its server lives, and the files that its record names are gone");
    }
  }

 private:
  Result<ChannelInfo> look_once() {
    info_ = ChannelInfo();
    info_.name = names_.channel();
    was_there_ = false;
    hold_ = platform::hold_on(names_);
    auto record = ObjectReader::open(names_, names_.rendezvous());
    if (!record && record.error().code() == Errc::no_server) return without_record(record.error());
    if (!record) return unseen(record.error());
    info_.user = record->owner();
    CopyOf<Rendezvous> said;
    if (!said.read(*record, 0) || said->magic != rendezvous_magic) {
      if (hold_ == Hold::held) return as(ChannelState::starting);
      return unreadable("what has the channel's name is no channel's record");
    }
    info_.protocol_version = said->version;
    if (said->version != abi_version) return other_version(said->version);
    const std::uint64_t generation = said->generation.load(std::memory_order_relaxed);
    if (generation == 0) return without_record(not_running());
    info_.memory = record->size();
    return look_at(generation);
  }

  /// Nothing is published under the name.
  Result<ChannelInfo> without_record(const Error& none) {
    switch (hold_) {
      case Hold::held:
        return as(ChannelState::starting);
      case Hold::left:
        return as(ChannelState::dead);
      case Hold::none:
        return none;
      case Hold::unknown:
        break;
    }
    info_.problem =
        names_.error(Errc::access_denied, "another user's server holds the name and its record cannot be read")
            .message();
    return as(ChannelState::no_access);
  }

  Result<ChannelInfo> look_at(std::uint64_t generation) {
    was_there_ = true;
    info_.generation = generation;
    auto page = ObjectReader::open(names_, names_.server_page(generation));
    if (!page && page.error().code() == Errc::no_server) return gone(page.error());
    if (!page) return unseen(page.error());
    if (page->owner() != info_.user) return unreadable("its record and its server page are different users'");
    if (!page_->read(*page, 0)) return unreadable("its server page is too short");
    info_.memory += page->size();
    info_.started = page->made();
    return look_at_page();
  }

  Result<ChannelInfo> look_at_page() {
    const Identity& identity = page().identity;
    info_.protocol_version = identity.version;
    if (identity.magic != server_page_magic) return unreadable(foreign_page);
    if (identity.version != abi_version) return other_version(identity.version);
    if (!is_possible(identity, info_.generation) ||
        Geometry::of(identity.shape, identity.slot_count).total_bytes != identity.total_bytes)
      return unreadable(impossible_page);
    describe(identity);
    const bool is_alive = is_server_alive();
    const bool is_open = page().service.load(std::memory_order_relaxed) == service_open;
    info_.state = !is_alive ? ChannelState::dead : is_open ? ChannelState::open : ChannelState::stopping;
    info_.program = is_alive ? platform::program_of(identity.server_process) : std::string();
    return look_at_segment(identity);
  }

  bool is_server_alive() {
    const auto seems_alive = [this] {
      return platform::is_server_alive(names_, info_.generation, page().alive.load(std::memory_order_relaxed),
                                       page().identity, hold_);
    };
    if (seems_alive()) return true;
    hold_ = platform::hold_on(names_);  // its predecessor may have been dead when we looked first
    return seems_alive();
  }

  void describe(const Identity& identity) {
    const Shape& shape = identity.shape;
    info_.shape = channel_shape({shape, page().request.read(), page().reply.read()});
    info_.max_calls = identity.slot_count;
    info_.process_id = identity.server_process;
    if (const auto born = platform::birth_time(identity.server_birth)) info_.started = born;
    shares_clock_ = identity.clock_id == platform::clock_id();
    const Statistics& statistics = page().statistics;
    const auto load = [](const LongWord& word) { return word.load(std::memory_order_relaxed); };
    ServerStats& stats = info_.stats;
    stats.done = load(statistics.done);
    stats.failed = load(statistics.failed);
    stats.refused = load(statistics.refused);
    stats.withdrawn = load(statistics.withdrawn);
    stats.abandoned = load(statistics.abandoned);
    stats.malformed = load(statistics.malformed);
    stats.damaged = load(statistics.damaged);
    const auto as_of = static_cast<std::int64_t>(load(statistics.as_of));
    if (const std::int64_t now = steady_now(); shares_clock_ && as_of > 0 && as_of <= now)
      info_.stats_age = nanoseconds(now - as_of);
  }

  Result<ChannelInfo> look_at_segment(const Identity& identity) {
    auto segment = ObjectReader::open(names_, names_.segment(info_.generation));
    if (!segment && segment.error().code() == Errc::no_server) return gone(segment.error());
    if (!segment) return unseen(segment.error());
    info_.access = segment->access();
    info_.memory += segment->size();
    CopyOf<Header> header;
    if (segment->owner() != info_.user || segment->size() < identity.total_bytes || !header.read(*segment, 0) ||
        !belongs_to(header->mark, info_.generation))
      return unreadable(foreign_segment);
    const auto load = [](const Word& word) { return word.load(std::memory_order_relaxed); };
    info_.clients_so_far = load(header->next_client);
    info_.clients = platform::client_count(names_, info_.generation, *segment, info_.clients_so_far);
    info_.sleeping_threads = load(header->exec.sleepers);
    info_.is_slot_awaited = load(header->slot_freed.announced) != 0 || load(header->slot_freed.starving) != 0;
    const std::uint32_t used = load(header->high_water);
    info_.slots_used = used < identity.slot_count ? used : identity.slot_count;
    return look_at_slots(*segment, Geometry::of(identity.shape, identity.slot_count)) ? std::move(info_)
                                                                                      : gone(just_gone());
  }

  bool look_at_slots(const ObjectReader& segment, const Geometry& geometry) {
    std::uint32_t owner_asked = 0;  // one client's slots often lie side by side
    bool is_there = false;
    for (std::uint32_t index = 0; index < info_.slots_used; ++index) {
      CopyOf<Slot> slot;
      if (!read_slot(slot, segment, geometry.slots_offset + index * geometry.slot_stride)) return false;
      const CallView call(*slot);
      info_.calls_so_far += call.number();
      if (!call.is_in_flight()) continue;
      if (const std::uint32_t owner = call.owner(); owner != owner_asked) {
        owner_asked = owner;
        is_there = platform::is_client_there(names_, info_.generation, segment, owner);
      }
      info_.calls.push_back(call.info(index, is_there, shares_clock_ ? std::optional(steady_now()) : std::nullopt));
      count(info_.calls.back());
    }
    return true;
  }

  /// Where the words of a slot change while they are copied, they may tell of two calls: a few more tries may get a
  /// quiet moment.
  static bool read_slot(CopyOf<Slot>& slot, const ObjectReader& segment, std::uint64_t offset) noexcept {
    constexpr int tries = 3;
    for (int i = 0; i < tries; ++i) {
      CopyOf<Slot> again;
      if (!slot.read(segment, offset) || !again.read(segment, offset)) return false;
      if (CallView(*slot).is_as_in(CallView(*again))) return true;
    }
    return true;
  }

  void count(const CallInfo& call) noexcept {
    ServerStats& stats = info_.stats;
    if (call.state == CallState::queued) ++stats.waiting;
    if (call.state != CallState::running && call.state != CallState::abandoned) return;
    ++stats.running;
    if (call.waited && *call.waited > stats.longest_running) stats.longest_running = *call.waited;
  }

  // ---- ends ----
  Result<ChannelInfo> as(ChannelState state) {
    info_.state = state;
    return std::move(info_);
  }
  Result<ChannelInfo> unreadable(const char* why) {
    info_.problem = names_.error(Errc::corrupt, why).message();
    return as(ChannelState::unreadable);
  }
  Result<ChannelInfo> other_version(std::uint32_t version) {
    info_.problem = platform::other_version(names_, version).message();
    const bool is_left = hold_ == Hold::left || (hold_ == Hold::none && version < abi_version);
    return as(is_left ? ChannelState::dead : ChannelState::unreadable);
  }
  Result<ChannelInfo> unseen(const Error& why) {
    info_.problem = why.message();
    return as(why.code() == Errc::access_denied ? ChannelState::no_access : ChannelState::unreadable);
  }
  /// What the record names is not there. If nobody holds the name, its server is dead.
  Result<ChannelInfo> gone(Error why) {
    if (hold_ == Hold::held) return why;
    return as(ChannelState::dead);
  }

  [[nodiscard]] const ServerPage& page() const noexcept { return **page_; }
  [[nodiscard]] Error just_gone() const { return platform::just_gone(names_); }
  [[nodiscard]] Error not_running() const { return platform::not_running(names_); }
  static std::int64_t steady_now() noexcept {
    return std::chrono::duration_cast<nanoseconds>(Clock::now().time_since_epoch()).count();
  }

  const Names& names_;
  ChannelInfo info_;
  UniquePtr<CopyOf<ServerPage>> page_{new CopyOf<ServerPage>};
  Hold hold_ = Hold::unknown;
  bool was_there_ = false;
  bool shares_clock_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
