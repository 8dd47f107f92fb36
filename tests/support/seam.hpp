// What tests and peers of the seam (detail/platform) share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/detail/protocol/layout.hpp>

namespace test_support {

using namespace shared_channel::detail;

// A server page and a segment as tests and peers of the seam share them: a Header and no slots.
class Segment {
 public:
  static constexpr std::uint64_t generation = 0x5EA3;

  static Segment create(const std::string& name) {
    const Names names = names_of(name);
    auto page = platform::Mapping::create(names, names.server_page(generation), server_page_bytes, access(),
                                          platform::ForClients::read);
    return Segment(names, std::move(page).value(),
                   platform::Mapping::create(names, names.segment(generation), sizeof(Header), access()).value());
  }
  static Segment open(const std::string& name) {
    const Names names = names_of(name);
    return Segment(names, platform::Mapping::open(names, names.server_page(generation)).value(),
                   platform::Mapping::open(names, names.segment(generation)).value());
  }
  static Names names_of(const std::string& name) { return Names::make(name, shared_channel::Scope::session).value(); }
  static shared_channel::Access access() { return shared_channel::Access::current_user(); }

  Segment(Segment&&) noexcept = default;

  void remove() const {
    platform::Mapping::remove(names_.server_page(generation));
    platform::Mapping::remove(names_.segment(generation));
  }

  const Names& names() const { return names_; }
  const platform::Mapping& mapping() const { return mapping_; }
  ServerPage& page() const { return *reinterpret_cast<ServerPage*>(page_.data()); }
  Header& header() const { return *reinterpret_cast<Header*>(mapping_.data()); }

  // The server's part.
  UniquePtr<platform::Beacon> light() const {
    page().identity.server_process = platform::process_id();
    page().identity.server_birth = platform::process_birth();
    return platform::Beacon::light(names_, generation, page(), access()).value();
  }
  platform::Signal create_signal() const {
    return platform::Signal::create(names_, generation, "exec", header().exec.sequence, access()).value();
  }
  platform::ClientMutex create_client_mutex() const {
    return platform::ClientMutex::create(names_, generation, header().client_mutex, access()).value();
  }

  // A client's part.
  auto take_lease(std::uint32_t number) const {
    return platform::ClientLease::take(names_, generation, mapping_, number);
  }
  auto watch() const {
    return platform::Watch::open(names_, generation, *reinterpret_cast<const ServerPage*>(seen_.data()));
  }
  auto open_signal() const { return platform::Signal::open(names_, generation, "exec", header().exec.sequence); }
  auto open_client_mutex() const { return platform::ClientMutex::open(names_, generation, header().client_mutex); }

 private:
  Segment(const Names& names, platform::Mapping page, platform::Mapping mapping)
      : names_(names),
        page_(std::move(page)),
        seen_(platform::Mapping::open(names, names.server_page(generation), platform::ForClients::read).value()),
        mapping_(std::move(mapping)) {}

  Names names_;
  platform::Mapping page_;
  platform::Mapping seen_;  // the same page as a client has it
  platform::Mapping mapping_;
};

}  // namespace test_support
