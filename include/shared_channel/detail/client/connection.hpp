// A client's side of one server generation: attached, checked, and leased.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include <shared_channel/detail/base/forward_list.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/base/without_memory.hpp>
#include <shared_channel/detail/client/attach.hpp>
#include <shared_channel/detail/client/posting_order.hpp>
#include <shared_channel/detail/client/server_trust.hpp>
#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/wait/adaptive_spin.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The end of a server as an error, `otherwise` if it lives.
inline Errc server_end_or(Errc otherwise, platform::Peer server) noexcept {
  switch (server) {
    case platform::Peer::alive:
      return otherwise;
    case platform::Peer::stopped:
      return Errc::server_stopped;
    case platform::Peer::died:
      break;
  }
  return Errc::server_died;
}

/// What a client holds while it is attached. Everything is thread-safe; after attach() nothing changes but the hint,
/// the Done signals that were opened, the order of posting, and the contract's number once it was asked for.
template <class Platform>
class Connection {
  using Mapping = typename Platform::Mapping;
  using ServerLease = typename Platform::ServerLease;
  using ClientLease = typename Platform::ClientLease;
  using Watch = typename Platform::Watch;
  using Signal = typename Platform::Signal;
  using ClientMutex = typename Platform::ClientMutex;
  using Mutex = typename Platform::Mutex;
  using Exec = Doorbell<DoorbellWords, Signal>;
  using SlotFreedBell = detail::SlotFreedBell<SlotFreed, Signal>;
  using Trust = ServerTrust<Platform>;

 public:
  /// Finds the live server of `names` and attaches to it. Nothing in shared memory is believed before it is checked.
  /// What `spin` has learnt of one server holds for the next.
  static Result<UniquePtr<Connection>> attach(const Names& names, const Contract& contract,
                                              const ClientOptions& options, AdaptiveSpin& spin) {
    // A server may be replaced between two of these steps; then the next round finds its successor.
    constexpr int rounds = 8;
    for (int round = 1;; ++round) {
      auto published = ServerLease::current_generation(names);
      if (!published) return attach_to_announced(std::move(published).error(), names, contract, options, spin);
      if (auto trusted = Trust::examine(names, options.server, published->owner); !trusted)
        return std::move(trusted).error();
      SHARED_CHANNEL_TEST_POINT(client_found_generation);
      auto connection = attach_to(*published, names, contract, spin);
      if (connection || connection.error().code() != Errc::no_server || round == rounds) return connection;
    }
  }

  /// Wakes the server that ought to be there, if there is one: a server that wakes mends its words.
  static void wake_lost_server(const Names& names, const ClientOptions& options) {
    auto found = ServerLease::current_generation(names);
    if (!found) found = ServerLease::announced_generation(names);
    if (!found || !Trust::allows(options.server, found->owner)) return;
    const std::uint64_t number = found->generation;
    auto segment = Mapping::open(names, names.segment(number));
    if (!segment || segment->size() < sizeof(Header)) return;
    if (!Trust::check_same(names, found->owner, *segment, names.segment(number))) return;
    DoorbellWords& words = reinterpret_cast<Header*>(segment->data())->exec;
    if (auto exec = Signal::open(names, number, parts::exec, words.sequence))
      Exec(words, *std::move(exec)).ring_anyway();
  }

  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] std::uint32_t me() const noexcept { return me_; }
  [[nodiscard]] std::uint32_t process() const noexcept { return process_; }
  /// Whether the server's steady clock is ours, so that a time means the same to both.
  [[nodiscard]] bool shares_clock() const noexcept { return shares_clock_; }
  /// Whether peers may be of different users, for whom no message is left in a slot.
  [[nodiscard]] bool clears_slots() const noexcept { return clears_slots_; }
  /// What the server says of itself: read-only.
  [[nodiscard]] const ServerPage& page() const noexcept { return page_of(page_); }
  [[nodiscard]] Header& header() const noexcept { return *reinterpret_cast<Header*>(segment_.data()); }
  [[nodiscard]] const SlotArray& slot_array() const noexcept { return slots_; }
  [[nodiscard]] const ClientLease& lease() const noexcept { return lease_; }
  [[nodiscard]] const Watch& server() const noexcept { return server_; }
  [[nodiscard]] Errc server_end_or(Errc otherwise) const noexcept {
    return detail::server_end_or(otherwise, server_.look());
  }
  /// The same, of a server that takes no calls any more. A stopped one lives on as long as its handlers run.
  [[nodiscard]] Errc service_end_or(Errc otherwise) const noexcept {
    const bool is_open = page().service.load(std::memory_order_seq_cst) == service_open;
    return server_end_or(is_open ? otherwise : Errc::server_stopped);
  }
  [[nodiscard]] Exec& exec() noexcept { return bells_.exec; }
  [[nodiscard]] SlotFreedBell& slot_freed() noexcept { return bells_.slot_freed; }
  [[nodiscard]] ClientMutex& client_mutex() noexcept { return bells_.client_mutex; }
  [[nodiscard]] AdaptiveSpin& spin() noexcept { return *spin_; }
  [[nodiscard]] PostingOrder<Platform>& posting_order() noexcept { return posting_order_; }

  [[nodiscard]] const Names& names() const noexcept { return names_; }

  /// How messages lie here, and what the server says that they are.
  [[nodiscard]] Contract contract() const { return {shape_, page().request.read(), page().reply.read()}; }
  /// Tells contracts apart, as well as a hash does; not 0. Found out once, by raw clients.
  [[nodiscard]] std::uint64_t contract_id() const {
    const std::uint64_t id = contract_id_.load(std::memory_order_relaxed);
    if (id == 0) [[unlikely]]
      return find_contract_id();
    return id;
  }

  /// Slot `index`'s Done signal, opened when first needed: most calls never sleep, most slots are never ours.
  Result<Signal*> done(std::uint32_t index) noexcept {
    Signal* signal = done_[index].load(std::memory_order_acquire);
    if (signal != nullptr) return signal;
    return or_without_memory([&] { return open_done(index); },
                             [] {
                               const auto native = std::make_error_code(std::errc::not_enough_memory);
                               return Result<Signal*>(  // so short that it takes no memory
                                   Error(Errc::out_of_memory, "", "", platform::native_of(native)));
                             });
  }

  /// Where the search for a free slot begins: the slot of the last call, still in this core's cache.
  [[nodiscard]] std::uint32_t hint() const noexcept { return hint_.load(std::memory_order_relaxed); }
  void set_hint(std::uint32_t index) noexcept {
    if (hint() != index) hint_.store(index, std::memory_order_relaxed);
  }

 private:
  Result<Signal*> open_done(std::uint32_t index) {
    const std::lock_guard lock(opening_);
    Signal* signal = done_[index].load(std::memory_order_relaxed);
    if (signal != nullptr) return signal;
    auto opened = Signal::open(names_, generation_, parts::numbered(parts::done, index), slots_[index].reply);
    if (!opened) return std::move(opened).error();
    signal = &opened_.emplace(*std::move(opened));
    done_[index].store(signal, std::memory_order_release);
    return signal;
  }

  std::uint64_t find_contract_id() const {
    const std::uint64_t id = id_of(contract());
    contract_id_.store(id, std::memory_order_relaxed);
    return id;
  }

  /// What a client sleeps on, and wakes others by.
  struct Bells {
    Exec exec;
    SlotFreedBell slot_freed;
    ClientMutex client_mutex;
  };

  /// What attaching gathers, in this order.
  struct Attached {
    Names names;
    std::uint64_t generation;
    Mapping page;
    Mapping segment;
    Shape shape;
    SlotArray slot_array;
    Watch server;
    std::uint32_t me;
    ClientLease lease;
    Bells bells;
  };

  Connection(Attached&& attached, AdaptiveSpin& spin)
      : names_(std::move(attached.names)),
        page_(std::move(attached.page)),
        segment_(std::move(attached.segment)),
        shape_(attached.shape),
        slots_(attached.slot_array),
        generation_(attached.generation),
        me_(attached.me),
        lease_(std::move(attached.lease)),
        server_(std::move(attached.server)),
        bells_(std::move(attached.bells)),
        done_(UniquePtr<std::atomic<Signal*>[]>(slots_.count())),
        spin_(&spin) {}

  static const ServerPage& page_of(const Mapping& page) noexcept {
    return *reinterpret_cast<const ServerPage*>(page.data());
  }

  static Result<UniquePtr<Connection>> attach_to(const platform::Published& published, const Names& names,
                                                 const Contract& contract, AdaptiveSpin& spin) {
    const std::uint64_t generation = published.generation;
    auto page = open_page(published, names);
    if (!page) return std::move(page).error();
    // The liveness word is lit after the identity was written, so it is loaded before the identity is copied. And what
    // a server said that has gone does not matter: its successor may have other messages.
    auto server = Watch::open(names, generation, page_of(*page));
    if (!server) return std::move(server).error();
    if (page_of(*page).service.load(std::memory_order_acquire) != service_open) {
      return names.error(Errc::server_stopped, "the server has stopped and not yet been replaced");
    }
    const Identity identity = page_of(*page).identity;
    auto shape = agree(names, page_of(*page), identity, generation, contract);
    if (!shape) return std::move(shape).error();
    auto segment = open_segment(published, names, identity);
    if (!segment) return std::move(segment).error();
    const SlotArray slot_array(segment->data(), *shape, identity.slot_count);
    std::uint32_t me = 0;
    auto lease = take_lease<ClientLease>(names, generation, *segment, slot_array, me);
    if (!lease) return std::move(lease).error();
    SHARED_CHANNEL_TEST_POINT(client_leased);
    auto bells = open_bells(names, generation, *segment);
    if (!bells) return std::move(bells).error();
    return UniquePtr<Connection>(
        new Connection(Attached{names, generation, *std::move(page), *std::move(segment), *shape, slot_array,
                                *std::move(server), me, *std::move(lease), *std::move(bells)},
                       spin));
  }

  static Result<Mapping> open_page(const platform::Published& published, const Names& names) {
    const std::string object = names.server_page(published.generation);
    auto page = Mapping::open(names, object, platform::ForClients::read);
    if (!page) return page;
    if (auto same = Trust::check_same(names, published.owner, *page, object); !same) return std::move(same).error();
    if (page->size() < sizeof(ServerPage)) {
      return names.error(Errc::layout_mismatch, "the server page has " + std::to_string(page->size()) + " bytes, not " +
                                                    std::to_string(sizeof(ServerPage)) + "; restart the server");
    }
    return page;
  }

  static Result<Mapping> open_segment(const platform::Published& published, const Names& names,
                                      const Identity& identity) {
    const std::string object = names.segment(published.generation);
    auto segment = Mapping::open(names, object);
    if (!segment) return segment;
    if (auto same = Trust::check_same(names, published.owner, *segment, object); !same) return std::move(same).error();
    SHARED_CHANNEL_TEST_POINT(client_mapped);
    if (auto fitting = check_segment(names, *segment, identity); !fitting) return std::move(fitting).error();
    return segment;
  }

  static Result<Bells> open_bells(const Names& names, std::uint64_t generation, const Mapping& segment) {
    Header& header = *reinterpret_cast<Header*>(segment.data());
    auto exec = Signal::open(names, generation, parts::exec, header.exec.sequence);
    if (!exec) return std::move(exec).error();
    auto slot_freed = Signal::open(names, generation, parts::slot_freed, header.slot_freed.sequence);
    if (!slot_freed) return std::move(slot_freed).error();
    auto client_mutex = ClientMutex::open(names, generation, header.client_mutex);
    if (!client_mutex) return std::move(client_mutex).error();
    return Bells{Exec(header.exec, *std::move(exec)), SlotFreedBell(header.slot_freed, *std::move(slot_freed)),
                 *std::move(client_mutex)};
  }

  /// A server whose published generation was damaged still has an announced one. A server that starts or ends has one
  /// too, but then its liveness word is out.
  static Result<UniquePtr<Connection>> attach_to_announced(Error none, const Names& names, const Contract& contract,
                                                           const ClientOptions& options, AdaptiveSpin& spin) {
    if (none.code() != Errc::no_server) return none;
    const auto announced = ServerLease::announced_generation(names);
    if (!announced || !Trust::allows(options.server, announced->owner)) return none;
    auto connection = attach_to(*announced, names, contract, spin);
    if (connection) return connection;
    return none;
  }

  Names names_;
  Mapping page_;
  Mapping segment_;
  Shape shape_;
  SlotArray slots_;
  std::uint64_t generation_;
  std::uint32_t me_;
  std::uint32_t process_ = Platform::process_id();
  bool clears_slots_ = (page_of(page_).identity.flags & slots_are_cleared) != 0;
  bool shares_clock_ = page_of(page_).identity.clock_id == Platform::clock_id();
  ClientLease lease_;
  Watch server_;
  Bells bells_;
  Mutex opening_;
  ForwardList<Signal> opened_;
  UniquePtr<std::atomic<Signal*>[]> done_;
  AdaptiveSpin* spin_;  // the client's
  std::atomic<std::uint32_t> hint_{0};
  PostingOrder<Platform> posting_order_;
  mutable std::atomic<std::uint64_t> contract_id_{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
