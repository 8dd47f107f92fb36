// Named memory, the server's name and the clients' leases, in this process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>

#include "support/fake/kernel.hpp"

namespace test_support::fake {

// How tests name an object: record, page or segment.
inline const char* part_of(const Names& names, const std::string& object) {
  if (object == names.rendezvous()) return "record";
  return object.ends_with(".server") ? "page" : "segment";
}

class Mapping : Living<Kind::memory> {
 public:
  static Result<Mapping> create(const Names& names, const std::string& object, std::uint64_t bytes,
                                const shared_channel::Access&, platform::ForClients = platform::ForClients::write) {
    if (const auto failure = kernel().enter(Op::create_memory, part_of(names, object)))
      return error_of(names, "create_memory", *failure);
    auto memory = std::make_shared<Memory>(static_cast<std::size_t>(bytes));
    if (!kernel().add(object, memory)) return error_of(names, "the object exists", {Errc::not_owner, 0});
    return Mapping(std::move(memory));
  }
  static Result<Mapping> open(const Names& names, const std::string& object,
                              platform::ForClients = platform::ForClients::write) {
    if (const auto failure = kernel().enter(Op::open_memory, part_of(names, object)))
      return error_of(names, "open_memory", *failure);
    auto memory = kernel().find(object);
    if (!memory) return platform::just_gone(names);
    return Mapping(std::move(memory));
  }
  static void remove(const std::string& object) noexcept { kernel().remove(object); }

  Result<std::string> owner(const Names& names, const std::string& object) const {
    if (const auto failure = kernel().enter(Op::ask_owner, part_of(names, object)))
      return error_of(names, "ask_owner", *failure);
    return memory_->owner;
  }

  bool is_lost(const std::string& object) const noexcept { return kernel().find(object) != memory_; }

  std::byte* data() const noexcept { return memory_->data(); }
  std::size_t size() const noexcept { return memory_->size(); }

 private:
  explicit Mapping(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}

  std::shared_ptr<Memory> memory_;
};

class ServerLease : Living<Kind::name> {
 public:
  static Result<ServerLease> acquire(const Names& names, const shared_channel::Access& access) {
    if (const auto failure = kernel().enter(Op::acquire_name)) return error_of(names, "acquire_name", *failure);
    const std::uint64_t holder = kernel().hold_name(names.rendezvous());
    if (holder == 0) return platform::already_running(names);
    remove_leftovers(names);
    auto record = Mapping::create(names, names.rendezvous(), rendezvous_bytes, access, platform::ForClients::read);
    if (!record) {
      kernel().drop_name(names.rendezvous());
      return std::move(record).error();
    }
    return ServerLease(names, holder, *std::move(record));
  }

  static Result<platform::Published> current_generation(const Names& names) {
    if (const auto failure = kernel().enter(Op::read_record, "published"))
      return error_of(names, "read_record", *failure);
    return read(names, &Rendezvous::generation);
  }
  static Result<platform::Published> announced_generation(const Names& names) {
    if (const auto failure = kernel().enter(Op::read_record, "announced"))
      return error_of(names, "read_record", *failure);
    return read(names, &Rendezvous::announced);
  }

  ServerLease(ServerLease&& other) noexcept
      : names_(other.names_), holder_(std::exchange(other.holder_, 0)), record_(std::move(other.record_)) {}
  ServerLease& operator=(ServerLease&&) = delete;
  ~ServerLease() {
    if (holder_ == 0 || !is_ours()) return;
    kernel().remove(names_.rendezvous());
    kernel().drop_name(names_.rendezvous());
  }

  Rendezvous& record() const noexcept { return *reinterpret_cast<Rendezvous*>(record_.data()); }
  void unpublish() const noexcept { record().generation.store(0); }

  shared_channel::detail::platform::NameState keep_name(const shared_channel::Access&, bool& has_record) noexcept {
    using shared_channel::detail::platform::NameState;
    has_record = !kernel().enter(Op::keep_name);
    return is_ours() ? NameState::ours : NameState::lost;
  }

 private:
  ServerLease(const Names& names, std::uint64_t holder, Mapping record)
      : names_(names), holder_(holder), record_(std::move(record)) {}

  bool is_ours() const { return kernel().holds_name(names_.rendezvous(), holder_); }

  // The number before all else: it is written last.
  static Result<platform::Published> read(const Names& names, LongWord Rendezvous::*number) {
    const auto memory = kernel().find(names.rendezvous());
    if (!memory) return platform::not_running(names);
    const auto& record = *reinterpret_cast<const Rendezvous*>(memory->data());
    const std::uint64_t stated = (record.*number).load();
    if (stated == 0 || record.magic != rendezvous_magic) return platform::not_running(names);
    if (record.version != abi_version) return platform::other_version(names, record.version);
    return platform::Published{stated, memory->owner};
  }

  static void remove_leftovers(const Names& names) {
    if (const auto old = kernel().find(names.rendezvous())) {
      const std::uint64_t number = reinterpret_cast<const Rendezvous*>(old->data())->announced.load();
      kernel().remove(names.server_page(number));
      kernel().remove(names.segment(number));
    }
    kernel().remove(names.rendezvous());
  }

  Names names_;
  std::uint64_t holder_;
  Mapping record_;
};

class ClientLease : Living<Kind::lease> {
 public:
  static constexpr std::uint32_t last = 0x7FFF'FFFF;

  static Result<ClientLease> take(const Names& names, std::uint64_t generation, const Mapping&, std::uint32_t number) {
    if (const auto failure = kernel().enter(Op::take_lease)) return error_of(names, "take_lease", *failure);
    if (!kernel().take_lease(generation, number)) return names.error(Errc::busy, "the lease is held");
    return ClientLease(generation, number);
  }
  static ClientLease view(const Names&, std::uint64_t generation, const Mapping&) { return ClientLease(generation, 0); }

  ClientLease(ClientLease&& other) noexcept
      : generation_(other.generation_), number_(std::exchange(other.number_, 0)) {}
  ClientLease& operator=(ClientLease&&) = delete;
  ~ClientLease() {
    if (number_ != 0) kernel().drop_lease(generation_, number_);
  }

  bool is_held(std::uint32_t number) const noexcept {
    if (kernel().enter(Op::ask_lease, std::to_string(number))) return true;  // unsure
    return kernel().is_leased(generation_, number);
  }
  bool can_tell() const noexcept { return true; }

 private:
  ClientLease(std::uint64_t generation, std::uint32_t number) : generation_(generation), number_(number) {}

  std::uint64_t generation_;
  std::uint32_t number_;
};

}  // namespace test_support::fake
