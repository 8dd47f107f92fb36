// A client's side of one server generation: attached, checked, and leased.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include <shared_channel/detail/base/forward_list.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/wait/spin.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What a client holds while it is attached. Everything is thread-safe; nothing changes after attach()
/// except the hints.
template <class Platform>
class Connection {
  using Mapping = typename Platform::Mapping;
  using ServerLease = typename Platform::ServerLease;
  using ClientLease = typename Platform::ClientLease;
  using Watch = typename Platform::Watch;
  using Signal = typename Platform::Signal;
  using ClientMutex = typename Platform::ClientMutex;

 public:
  /// Finds the live server of `names` and attaches to it. Nothing in shared memory is believed before it is checked.
  static Result<UniquePtr<Connection>> attach(const Names& names, const Shape& shape, WaitPolicy policy) {
    // A server may be replaced between two of these steps; then the next round finds its successor.
    constexpr int rounds = 8;
    for (int round = 1;; ++round) {
      auto generation = ServerLease::current_generation(names);
      if (!generation) return std::move(generation).error();
      SHARED_CHANNEL_TEST_POINT(client_found_generation);
      auto connection = attach_to(*generation, names, shape, policy);
      if (connection || connection.error().code() != Errc::no_server || round == rounds) return connection;
    }
  }

  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] std::uint32_t me() const noexcept { return me_; }
  [[nodiscard]] std::uint32_t process() const noexcept { return process_; }
  [[nodiscard]] Header& header() const noexcept { return *reinterpret_cast<Header*>(segment_.data()); }
  [[nodiscard]] const SlotArray& slot_array() const noexcept { return slots_; }
  [[nodiscard]] const ClientLease& lease() const noexcept { return lease_; }
  [[nodiscard]] const Watch& server() const noexcept { return server_; }
  [[nodiscard]] Signal& exec() noexcept { return exec_; }
  [[nodiscard]] Signal& slot_freed() noexcept { return slot_freed_; }
  [[nodiscard]] ClientMutex& client_mutex() noexcept { return client_mutex_; }
  [[nodiscard]] AdaptiveSpin& spin() noexcept { return spin_; }

  [[nodiscard]] const Names& names() const noexcept { return names_; }

  /// Slot `index`'s Done signal, opened when first needed: most calls never sleep, most slots are never ours.
  Result<Signal*> done(std::uint32_t index) {
    Signal* signal = done_[index].load(std::memory_order_acquire);
    if (signal != nullptr) return signal;
    const std::lock_guard lock(opening_);
    signal = done_[index].load(std::memory_order_relaxed);
    if (signal != nullptr) return signal;
    auto opened = Signal::open(names_, generation_, "done." + std::to_string(index), slots_[index].reply);
    if (!opened) return std::move(opened).error();
    signal = &opened_.emplace(*std::move(opened));
    done_[index].store(signal, std::memory_order_release);
    return signal;
  }

  /// Where the search for a free slot begins: the slot of the last call, still in this core's cache.
  [[nodiscard]] std::uint32_t hint() const noexcept { return hint_.load(std::memory_order_relaxed); }
  void set_hint(std::uint32_t index) noexcept {
    if (hint() != index) hint_.store(index, std::memory_order_relaxed);
  }

 private:
  Connection(const Names& names, Mapping segment, const SlotArray& slot_array, std::uint64_t generation,
             std::uint32_t me, ClientLease lease, Watch server, Signal exec, Signal slot_freed,
             ClientMutex client_mutex, WaitPolicy policy)
      : names_(names),
        segment_(std::move(segment)),
        slots_(slot_array),
        generation_(generation),
        me_(me),
        lease_(std::move(lease)),
        server_(std::move(server)),
        exec_(std::move(exec)),
        slot_freed_(std::move(slot_freed)),
        client_mutex_(std::move(client_mutex)),
        done_(UniquePtr<std::atomic<Signal*>[]>(slot_array.count())),
        spin_(policy, Platform::usable_cores()) {}

  static Result<UniquePtr<Connection>> attach_to(std::uint64_t generation, const Names& names, const Shape& shape,
                                                 WaitPolicy policy) {
    auto segment = Mapping::open(names, names.segment(generation));
    if (!segment) return std::move(segment).error();
    SHARED_CHANNEL_TEST_POINT(client_mapped);
    auto slot_array = check_segment(names, *segment, generation, shape);
    if (!slot_array) return std::move(slot_array).error();
    Header& header = *reinterpret_cast<Header*>(segment->data());

    auto server = Watch::open(names, generation, header);
    if (!server) return std::move(server).error();
    if (header.service.load(std::memory_order_acquire) != service_open) {
      return names.error(Errc::server_stopped, "the server has stopped and not yet been replaced");
    }
    std::uint32_t me = 0;
    auto lease = take_lease(names, generation, *segment, header, me);
    if (!lease) return std::move(lease).error();
    SHARED_CHANNEL_TEST_POINT(client_leased);
    auto exec = Signal::open(names, generation, "exec", header.exec.sequence);
    if (!exec) return std::move(exec).error();
    auto slot_freed = Signal::open(names, generation, "slot_freed", header.slot_freed.sequence);
    if (!slot_freed) return std::move(slot_freed).error();
    auto client_mutex = ClientMutex::open(names, generation, header.client_mutex);
    if (!client_mutex) return std::move(client_mutex).error();
    return UniquePtr<Connection>(new Connection(names, *std::move(segment), *slot_array, generation, me,
                                                *std::move(lease), *std::move(server), *std::move(exec),
                                                *std::move(slot_freed), *std::move(client_mutex), policy));
  }

  /// Compares the segment's identity, read once, with what this program was compiled for.
  static Result<SlotArray> check_segment(const Names& names, const Mapping& segment, std::uint64_t generation,
                                         const Shape& shape) {
    const auto mismatch = [&](const std::string& cause) { return names.error(Errc::layout_mismatch, cause); };
    if (segment.size() < sizeof(Header)) {
      return mismatch("the segment has " + std::to_string(segment.size()) + " bytes, fewer than its header");
    }
    Identity identity;
    std::memcpy(&identity, segment.data(), sizeof identity);
    if (identity.magic != segment_magic)
      return mismatch("the segment is not a channel's, or of a machine with another byte order");
    if (identity.version != abi_version) {
      return mismatch("the server speaks protocol version " + std::to_string(identity.version) + ", this program " +
                      std::to_string(abi_version));
    }
    const Shape agreed = adopt_maxima(shape, identity.shape);
    if (identity.shape != agreed) {
      return mismatch("this program expects " + describe(shape) + ", the server has " + describe(identity.shape));
    }
    if (identity.generation != generation || identity.slot_count == 0 || identity.slot_count > max_slots ||
        agreed.request_size > largest_message || agreed.reply_size > largest_message) {
      return names.error(Errc::corrupt, "the segment's header holds impossible values");
    }
    const Geometry geometry = Geometry::of(agreed, identity.slot_count);
    if (geometry.total_bytes != identity.total_bytes || geometry.total_bytes > segment.size()) {
      return mismatch("the segment has " + std::to_string(segment.size()) + " bytes where " +
                      std::to_string(geometry.total_bytes) + " are needed");
    }
    return SlotArray(segment.data(), agreed, identity.slot_count);
  }

  /// How long messages of variable length may get is the server's to say.
  static Shape adopt_maxima(Shape shape, const Shape& servers) noexcept {
    if (has_variable_request(shape.framing)) shape.request_size = servers.request_size;
    if (has_variable_reply(shape.framing)) shape.reply_size = servers.reply_size;
    return shape;
  }

  /// Takes the next lease number that is free. The counter is only a hint: the kernel decides.
  static Result<ClientLease> take_lease(const Names& names, std::uint64_t generation, const Mapping& segment,
                                        Header& header, std::uint32_t& me) {
    constexpr int tries = 1000;
    for (int i = 0; i < tries; ++i) {
      me = (header.next_client.fetch_add(1, std::memory_order_relaxed) + 1) & ClientLease::last;
      if (me == 0) continue;
      auto lease = ClientLease::take(names, generation, segment, me);
      if (lease || lease.error().code() != Errc::busy) return lease;
    }
    return names.error(Errc::corrupt, "the counter of clients does not count");
  }

  Names names_;
  Mapping segment_;
  SlotArray slots_;
  std::uint64_t generation_;
  std::uint32_t me_;
  std::uint32_t process_ = Platform::process_id();
  ClientLease lease_;
  Watch server_;
  Signal exec_;
  Signal slot_freed_;
  ClientMutex client_mutex_;
  std::mutex opening_;
  ForwardList<Signal> opened_;
  UniquePtr<std::atomic<Signal*>[]> done_;
  AdaptiveSpin spin_;
  std::atomic<std::uint32_t> hint_{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
