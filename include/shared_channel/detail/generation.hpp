// What a server makes for its clients: fresh objects in each generation (law 4), published as the last step, and withdrawn
// as the first.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <shared_channel/detail/layout.hpp>
#include <shared_channel/detail/name.hpp>
#include <shared_channel/detail/platform.hpp>
#include <shared_channel/detail/pointer.hpp>
#include <shared_channel/detail/slots.hpp>
#include <shared_channel/options.hpp>

namespace shared_channel::detail {

template <class Platform>
class Generation {
  using Mapping = typename Platform::Mapping;
  using ServerLease = typename Platform::ServerLease;
  using ClientLease = typename Platform::ClientLease;
  using Beacon = typename Platform::Beacon;
  using Signal = typename Platform::Signal;
  using TurnLock = typename Platform::TurnLock;

 public:
  /// `shape_for` makes the channel's Shape from options that have been checked. On an error nothing is left behind.
  template <class ShapeFor>
  static Result<Owned<Generation>> make(const Names& names, const ServerOptions& options, ShapeFor&& shape_for) {
    if (auto valid = check(names, options); !valid) return std::move(valid).error();
    auto lease = ServerLease::acquire(names, options.access);
    if (!lease) return std::move(lease).error();
    Owned<Generation> generation(new Generation(names, *std::move(lease)));
    if (auto made = generation->make_all(options, shape_for(options)); !made) return std::move(made).error();
    return generation;
  }

  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  ~Generation() {
    if (beacon_) withdraw();  // else making it failed half-way, by an exception perhaps, and nobody knows of it
    if (number_ != 0) Mapping::remove(names_.segment(number_));
  }

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] Header& header() const noexcept { return *reinterpret_cast<Header*>(segment_->data()); }
  [[nodiscard]] const SlotArray& slots() const noexcept { return slots_; }
  /// A view of the clients' leases.
  [[nodiscard]] const ClientLease& leases() const noexcept { return *leases_; }
  [[nodiscard]] Signal& exec() noexcept { return *exec_; }
  [[nodiscard]] Signal& turn() noexcept { return *turn_; }
  [[nodiscard]] Signal& done(std::uint32_t index) noexcept { return *done_[index]; }

 private:
  Generation(const Names& names, ServerLease lease) : names_(names), lease_(std::move(lease)) {}

  static Result<void> check(const Names& names, const ServerOptions& options) {
    const auto range = [&](const char* what, unsigned value, unsigned most) {
      return names.error(Errc::invalid_argument, std::string("ServerOptions::") + what + " is " + std::to_string(value) +
                                                     "; it must be from 1 to " + std::to_string(most));
    };
    if (options.slots == 0 || options.slots > max_slots) return range("slots", options.slots, max_slots);
    if (options.threads == 0 || options.threads > max_threads) return range("threads", options.threads, max_threads);
    for (const std::size_t bytes : {options.max_request_bytes, options.max_reply_bytes}) {
      if (bytes == 0 || bytes > max_message_bytes) {
        return names.error(Errc::invalid_argument, "ServerOptions::max_request_bytes and max_reply_bytes must be from 1 to " +
                                                       std::to_string(max_message_bytes));
      }
    }
    if (options.wait.spin < nanoseconds::zero()) {
      return names.error(Errc::invalid_argument, "WaitPolicy::spin is negative; 0 sleeps at once");
    }
    return {};
  }

  Result<void> make_all(const ServerOptions& options, const Shape& shape) {
    Rendezvous& record = lease_.record();
    remove_leftovers(record);
    SHARED_CHANNEL_TEST_POINT(server_removed_leftovers);
    number_ = random_number();
    record.magic = rendezvous_magic;
    record.version = abi_version;
    record.generation.store(0, std::memory_order_seq_cst);
    record.announced.store(number_, std::memory_order_seq_cst);
    SHARED_CHANNEL_TEST_POINT(server_announced_generation);

    const Geometry geometry = Geometry::of(shape, options.slots);
    auto segment = Mapping::create(names_, names_.segment(number_), geometry.total_bytes, options.access);
    if (!segment) return std::move(segment).error();
    segment_.emplace(*std::move(segment));
    slots_ = SlotArray(segment_->data(), shape, options.slots);
    leases_.emplace(ClientLease::observer(names_, number_, *segment_));
    write_identity(shape, options.slots, geometry);
    SHARED_CHANNEL_TEST_POINT(server_identified);
    if (auto made = make_signals(options); !made) return made;
    SHARED_CHANNEL_TEST_POINT(server_made_signals);
    auto beacon = Beacon::light(names_, number_, header(), options.access);
    if (!beacon) return std::move(beacon).error();
    beacon_ = *std::move(beacon);
    SHARED_CHANNEL_TEST_POINT(server_beacon_lit);
    record.generation.store(number_, std::memory_order_seq_cst);
    SHARED_CHANNEL_TEST_POINT(server_published);
    return {};
  }

  void withdraw() noexcept {
    lease_.record().generation.store(0, std::memory_order_seq_cst);
    SHARED_CHANNEL_TEST_POINT(server_unpublished);
    beacon_.reset();
    SHARED_CHANNEL_TEST_POINT(server_beacon_out);
  }

  /// Whatever a killed predecessor left: the name it published, and the one it was about to.
  void remove_leftovers(Rendezvous& record) const noexcept {
    if (record.magic != rendezvous_magic) return;
    for (const std::uint64_t number : {record.generation.load(), record.announced.load()}) {
      if (number != 0) Mapping::remove(names_.segment(number));
    }
  }

  static std::uint64_t random_number() {
    const std::uint64_t number = Platform::random_number();
    return number != 0 ? number : 1;  // 0 means none
  }

  void write_identity(const Shape& shape, std::uint32_t slots, const Geometry& geometry) noexcept {
    Identity& identity = header().identity;
    identity.version = abi_version;
    identity.slots = slots;
    identity.total_bytes = geometry.total_bytes;
    identity.generation = number_;
    identity.shape = shape;
    identity.server_birth = Platform::process_birth();
    identity.server_process = Platform::process_id();
    identity.magic = segment_magic;
    header().service.store(service_open, std::memory_order_seq_cst);
  }

  Result<void> make_signals(const ServerOptions& options) {
    const auto make = [&](const std::string& part, Word& word) {
      return Signal::create(names_, number_, part, word, options.access);
    };
    auto exec = make("exec", header().exec.sequence);
    if (!exec) return std::move(exec).error();
    auto turn = make("turn", header().turn.sequence);
    if (!turn) return std::move(turn).error();
    auto turn_lock = TurnLock::create(names_, number_, header().turn.lock, options.access);
    if (!turn_lock) return std::move(turn_lock).error();
    done_ = Owned<std::optional<Signal>[]>(options.slots);
    for (std::uint32_t index = 0; index < options.slots; ++index) {
      auto done = make("done." + std::to_string(index), slots()[index].reply);
      if (!done) return std::move(done).error();
      done_[index].emplace(*std::move(done));
    }
    exec_.emplace(*std::move(exec));
    turn_.emplace(*std::move(turn));
    turn_lock_.emplace(*std::move(turn_lock));
    return {};
  }

  const Names names_;
  ServerLease lease_;
  std::uint64_t number_ = 0;
  std::optional<Mapping> segment_;
  SlotArray slots_;
  std::optional<ClientLease> leases_;
  Owned<Beacon> beacon_;
  std::optional<Signal> exec_;
  std::optional<Signal> turn_;
  std::optional<TurnLock> turn_lock_;
  Owned<std::optional<Signal>[]> done_;  // one per slot
};

}  // namespace shared_channel::detail
