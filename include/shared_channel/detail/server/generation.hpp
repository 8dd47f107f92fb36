// What a server makes for its clients: fresh objects in each generation, published as the last step, and taken back as
// the first.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/detail/wait/adaptive_spin.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class Generation {
  using Admission = typename Platform::Admission;
  using Mapping = typename Platform::Mapping;
  using ServerLease = typename Platform::ServerLease;
  using ClientLease = typename Platform::ClientLease;
  using Beacon = typename Platform::Beacon;
  using Signal = typename Platform::Signal;
  using ClientMutex = typename Platform::ClientMutex;

  using SlotFreedBell = detail::SlotFreedBell<SlotFreed, Signal>;

 public:
  using Exec = Doorbell<DoorbellWords, Signal>;

  /// The contract means nothing if the options are wrong. On an error nothing is left behind.
  static Result<UniquePtr<Generation>> make(const Names& names, const ServerOptions& options,
                                            const Contract& contract) {
    if (auto valid = check_options(names, options); !valid) return std::move(valid).error();
    auto lease = ServerLease::acquire(names, options.access);
    if (!lease) return std::move(lease).error();
    UniquePtr<Generation> generation(new Generation(names, options.access, *std::move(lease)));
    if (auto made = generation->make_all(options, contract); !made) return std::move(made).error();
    return generation;
  }

  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  ~Generation() { retire(); }

  /// Takes it back and frees its name. What is mapped stays, for a thread that is still at it.
  void retire() noexcept {
    if (std::exchange(retired_, true)) return;
    if (beacon_) unpublish();  // else making it failed half-way, by an exception perhaps, and nobody knows of it
    if (number_ != 0) {
      Mapping::remove(page_name_);
      Mapping::remove(segment_name_);
    }
    const ServerLease gone(std::move(lease_));
  }

  /// Writes again what only the server writes, where a stray write has changed it: one damaged word must not keep
  /// clients out as long as the server lives. One thread at a time. Lost or unrenewable: clients cannot find us any
  /// more, and nothing can mend that: our memory has lost its name, which no system gives back, or another server has
  /// the channel's, or its files are another user's.
  [[nodiscard]] platform::NameState mend(const std::atomic<bool>& is_closing, unsigned workers) noexcept {
    if (page_->is_lost(page_name_) || segment_->is_lost(segment_name_)) return platform::NameState::lost;
    bool has_record = false;
    const platform::NameState name = lease_.keep_name(admission_, has_record);
    if (has_record) mend_record();
    mend_page(is_closing);
    const SegmentMark mark{segment_magic, abi_version, 0, number_};
    if (std::memcmp(&header().mark, &mark, sizeof mark) != 0) header().mark = mark;
    if (header().exec.sleepers.load(std::memory_order_relaxed) > workers)
      header().exec.sleepers.store(workers, std::memory_order_seq_cst);  // too many cost rings, too few lose them
    mend_high_water();
    mend_client_mutex();
    return name;
  }

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] ServerPage& page() const noexcept { return *reinterpret_cast<ServerPage*>(page_->data()); }
  [[nodiscard]] Header& header() const noexcept { return *reinterpret_cast<Header*>(segment_->data()); }
  [[nodiscard]] const SlotArray& slot_array() const noexcept { return slots_; }
  /// A view of the clients' leases.
  [[nodiscard]] const ClientLease& leases() const noexcept { return *leases_; }
  [[nodiscard]] Exec& exec() noexcept { return *exec_; }
  [[nodiscard]] SlotFreedBell& slot_freed() noexcept { return *slot_freed_; }
  [[nodiscard]] Signal& done(std::uint32_t index) noexcept { return *done_[index]; }

 private:
  Generation(const Names& names, const Access& access, ServerLease lease)
      : names_(names), access_(access), admission_(access), lease_(std::move(lease)) {}

  static Result<void> check_options(const Names& names, const ServerOptions& options) {
    const auto range = [&](const char* what, unsigned value, unsigned most) {
      return names.error(Errc::invalid_argument, std::string("ServerOptions::") + what + " is " +
                                                     std::to_string(value) + "; it must be from 1 to " +
                                                     std::to_string(most));
    };
    if (options.max_calls == 0 || options.max_calls > max_slots)
      return range("max_calls", options.max_calls, max_slots);
    if (options.threads == 0 || options.threads > max_threads) return range("threads", options.threads, max_threads);
    for (const std::size_t bytes : {options.max_request_bytes, options.max_reply_bytes}) {
      if (bytes == 0 || bytes > max_message_bytes) {
        return names.error(Errc::invalid_argument,
                           "ServerOptions::max_request_bytes and max_reply_bytes must be from 1 to " +
                               std::to_string(max_message_bytes));
      }
    }
    if (!is_possible(options.wait)) return names.error(Errc::invalid_argument, impossible_wait);
    return {};
  }

  /// Whoever lists the system's names learns the number as soon as there is one, and can be the first at another name
  /// that it has; on Win32 we may then have no access to it. Then another number is drawn.
  Result<void> make_all(const ServerOptions& options, const Contract& contract) {
    constexpr int draws = 100;
    for (int draw = 1;; ++draw) {
      number_ = random_number();
      auto made = make_numbered(options, contract);
      const bool may_be_taken =
          !made && (made.error().code() == Errc::not_owner || made.error().code() == Errc::access_denied);
      if (!may_be_taken || draw == draws) return made;
      remove_objects();
    }
  }

  /// What the last number has, which nobody has been told of.
  void remove_objects() noexcept {
    done_ = {};
    client_mutex_.reset();
    slot_freed_.reset();
    exec_.reset();
    leases_.reset();
    segment_.reset();
    page_.reset();
    Mapping::remove(page_name_);
    Mapping::remove(segment_name_);
  }

  Result<void> make_numbered(const ServerOptions& options, const Contract& contract) {
    Rendezvous& record = lease_.record();
    record.magic = rendezvous_magic;
    record.version = abi_version;
    record.generation.store(0, std::memory_order_seq_cst);
    record.announced.store(number_, std::memory_order_seq_cst);
    SHARED_CHANNEL_TEST_POINT(server_announced_generation);

    const Shape& shape = contract.shape;
    const Geometry geometry = Geometry::of(shape, options.max_calls);
    page_name_ = names_.server_page(number_);
    segment_name_ = names_.segment(number_);
    auto page = Mapping::create(names_, page_name_, server_page_bytes, admission_, platform::ForClients::read);
    if (!page) return std::move(page).error();
    page_.emplace(*std::move(page));
    auto segment = Mapping::create(names_, segment_name_, geometry.total_bytes, admission_);
    if (!segment) return std::move(segment).error();
    segment_.emplace(*std::move(segment));
    slots_ = SlotArray(segment_->data(), shape, options.max_calls);
    leases_.emplace(ClientLease::view(names_, number_, *segment_));
    write_identity(contract, options.max_calls, geometry);
    SHARED_CHANNEL_TEST_POINT(server_identified);
    if (auto made = make_signals(options); !made) return made;
    SHARED_CHANNEL_TEST_POINT(server_made_signals);
    auto beacon = Beacon::light(names_, number_, this->page(), admission_);
    if (!beacon) return std::move(beacon).error();
    beacon_ = *std::move(beacon);
    SHARED_CHANNEL_TEST_POINT(server_beacon_lit);
    record.generation.store(number_, std::memory_order_seq_cst);
    SHARED_CHANNEL_TEST_POINT(server_published);
    return {};
  }

  void mend_record() noexcept {
    Rendezvous& record = lease_.record();
    if (record.magic != rendezvous_magic) record.magic = rendezvous_magic;
    if (record.version != abi_version) record.version = abi_version;
    for (LongWord* number : {&record.announced, &record.generation}) {
      if (number->load(std::memory_order_relaxed) != number_) number->store(number_, std::memory_order_seq_cst);
    }
  }

  /// `is_closing` is set before stop() writes `service`: if that was after our look, it also writes after us; if
  /// before, we take back what we wrote. A caller that saw the channel open meanwhile is refused by the worker that
  /// we are called by, or by stop().
  void mend_page(const std::atomic<bool>& is_closing) noexcept {
    if (std::memcmp(&page().identity, &said_->identity, sizeof(Identity)) != 0) page().identity = said_->identity;
    if (std::memcmp(&page().request, &said_->request, sizeof(Description)) != 0) page().request = said_->request;
    if (std::memcmp(&page().reply, &said_->reply, sizeof(Description)) != 0) page().reply = said_->reply;
    beacon_->mend();
    if (page().service.load(std::memory_order_seq_cst) == service_open || is_closing.load(std::memory_order_seq_cst))
      return;
    page().service.store(service_open, std::memory_order_seq_cst);
    if (is_closing.load(std::memory_order_seq_cst)) page().service.store(service_stopped, std::memory_order_seq_cst);
  }

  /// A slot that has ever been used must be looked at.
  void mend_high_water() noexcept {
    Word& high_water = header().high_water;
    std::uint32_t stated = high_water.load(std::memory_order_seq_cst);
    std::uint32_t used = slots_.count();
    while (used > stated && slots_[used - 1].request.load(std::memory_order_seq_cst) == 0) --used;
    while (stated < used && !high_water.compare_exchange_weak(stated, used, std::memory_order_seq_cst)) {
    }
  }

  /// A damaged word may name a client that lives and does not know: nobody would unlock it, and callers beyond the
  /// slots would get on by their own slow looks alone. A head that keeps the mutex for long sleeps, and has announced
  /// that. One that does not, because its process is suspended, becomes one of two heads, which costs time and nothing
  /// else: the mutex protects no slot.
  void mend_client_mutex() noexcept {
    std::uint32_t owner = header().client_mutex.load(std::memory_order_relaxed);
    if (header().slot_freed.announced.load(std::memory_order_relaxed) != 0) owner = 0;
    const bool is_stuck = owner != 0 && owner == awake_owner_;
    awake_owner_ = owner;
    if (is_stuck) header().client_mutex.compare_exchange_strong(owner, 0, std::memory_order_release);
  }

  void unpublish() noexcept {
    lease_.unpublish();
    SHARED_CHANNEL_TEST_POINT(server_unpublished);
    beacon_.reset();
    SHARED_CHANNEL_TEST_POINT(server_beacon_out);
  }

  static std::uint64_t random_number() {
    const std::uint64_t number = Platform::random_number();
    return number != 0 ? number : 1;  // 0 means none
  }

  void write_identity(const Contract& contract, std::uint32_t slot_count, const Geometry& geometry) {
    header().mark = SegmentMark{segment_magic, abi_version, 0, number_};
    page().request.write(contract.request);
    page().reply.write(contract.reply);
    Identity& identity = page().identity;
    identity.version = abi_version;
    identity.slot_count = slot_count;
    identity.total_bytes = geometry.total_bytes;
    identity.generation = number_;
    identity.shape = contract.shape;
    identity.server_birth = Platform::process_birth();
    identity.server_process = Platform::process_id();
    identity.clock_id = Platform::clock_id();
    identity.flags = access_.kind() == Access::Kind::current_user ? 0 : slots_are_cleared;
    identity.magic = server_page_magic;
    page().service.store(service_open, std::memory_order_seq_cst);
    said_->identity = identity;
    said_->request = page().request;
    said_->reply = page().reply;
  }

  Result<void> make_signals(const ServerOptions& options) {
    const auto make = [&](std::string_view part, Word& word) {
      return Signal::create(names_, number_, part, word, admission_);
    };
    auto exec = make(parts::exec, header().exec.sequence);
    if (!exec) return std::move(exec).error();
    auto slot_freed = make(parts::slot_freed, header().slot_freed.sequence);
    if (!slot_freed) return std::move(slot_freed).error();
    auto client_mutex = ClientMutex::create(names_, number_, header().client_mutex, admission_);
    if (!client_mutex) return std::move(client_mutex).error();
    done_ = UniquePtr<std::optional<Signal>[]>(options.max_calls);
    for (std::uint32_t index = 0; index < options.max_calls; ++index) {
      auto done = make(parts::numbered(parts::done, index), slot_array()[index].reply);
      if (!done) return std::move(done).error();
      done_[index].emplace(*std::move(done));
    }
    exec_.emplace(header().exec, *std::move(exec));
    slot_freed_.emplace(header().slot_freed, *std::move(slot_freed));
    client_mutex_.emplace(*std::move(client_mutex));
    return {};
  }

  /// What the page says and never changes.
  struct Said {
    Identity identity{};
    Description request{};
    Description reply{};
  };

  const Names names_;
  const Access access_;
  const Admission admission_;
  ServerLease lease_;
  std::uint64_t number_ = 0;
  std::string page_name_, segment_name_;
  bool retired_ = false;
  std::optional<Mapping> page_;
  std::optional<Mapping> segment_;
  SlotArray slots_;
  std::optional<ClientLease> leases_;
  UniquePtr<Said> said_{new Said};
  UniquePtr<Beacon> beacon_;
  std::optional<Exec> exec_;
  std::optional<SlotFreedBell> slot_freed_;
  std::optional<ClientMutex> client_mutex_;
  std::uint32_t awake_owner_ = 0;  // the client mutex's owner at the last look, if no head had announced its sleep
  UniquePtr<std::optional<Signal>[]> done_;  // one per slot
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
