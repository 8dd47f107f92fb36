// What a client checks before it believes a segment.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <string>

#ifdef _WIN32
#include "support/windows.hpp"
#else
#include <sys/mman.h>
#endif

#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace attach_test {

using namespace shared_channel;
using namespace test_support;
using Catch::Matchers::Contains;
using detail::Header;
using detail::Identity;
using detail::ServerPage;

namespace {

struct Small {
  std::int32_t value;
};
struct Large {
  std::int64_t values[16];
};
struct First {
  static constexpr std::string_view schema = "first";
  std::int32_t value;
};
struct Second {
  static constexpr std::string_view schema = "second";
  std::int32_t value;
};

struct Umlaut {
  static constexpr std::string_view schema = "gr\xC3\xB6\xC3\x9F\x65";
  std::int32_t value;
};

struct Block {
  char a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af;
};
template <class Last>
struct Long {
  Block a, b, c, d, e, f, g, h, i, j, k, l;
  Last last;
};

// Everything of a server but the server: a page and a segment that a test may spoil.
class ForgedServer {
 public:
  explicit ForgedServer(const std::string& name, std::uint64_t bytes = geometry.total_bytes,
                        std::uint64_t page_bytes = detail::server_page_bytes)
      : names_(*detail::Names::make(name, Scope::session)),
        lease_(detail::platform::ServerLease::acquire(names_, Access::current_user()).value()),
        page_(detail::platform::Mapping::create(names_, names_.server_page(generation), page_bytes,
                                                Access::current_user(), detail::platform::ForClients::read)
                  .value()),
        segment_(detail::platform::Mapping::create(names_, names_.segment(generation), bytes, Access::current_user())
                     .value()) {
    lease_.record().magic = detail::rendezvous_magic;
    lease_.record().version = detail::abi_version;
    lease_.record().generation.store(generation);
    if (page_bytes < sizeof(ServerPage)) return;
    const auto contract = detail::contract_of<Small, Small>();
    page().request.write(contract.request);
    page().reply.write(contract.reply);
    identity() = Identity{detail::server_page_magic,
                          detail::abi_version,
                          slots,
                          geometry.total_bytes,
                          generation,
                          shape,
                          detail::platform::process_birth(),
                          detail::platform::process_id(),
                          0,
                          0};
    page().service.store(detail::service_open);
    if (bytes >= sizeof(Header)) header().mark = {detail::segment_magic, detail::abi_version, 0, generation};
  }
  ~ForgedServer() {
    beacon_.reset();
    detail::platform::Mapping::remove(names_.segment(generation));
    detail::platform::Mapping::remove(names_.server_page(generation));
  }

  // From now on clients believe that somebody serves.
  void light() {
    if (beacon_) return;
    beacon_ = detail::platform::Beacon::light(names_, generation, page(), Access::current_user()).value();
  }

  detail::Rendezvous& record() { return lease_.record(); }
  Header& header() { return *reinterpret_cast<Header*>(segment_.data()); }
  ServerPage& page() { return *reinterpret_cast<ServerPage*>(page_.data()); }
  Identity& identity() { return page().identity; }

  static constexpr std::uint32_t slots = 2;
  static constexpr std::uint64_t generation = 0x1234;
  static constexpr detail::Shape shape = detail::shape_of<Small, Small>();
  static constexpr detail::Geometry geometry = detail::Geometry::of(shape, slots);

 private:
  detail::Names names_;
  detail::platform::ServerLease lease_;
  detail::platform::Mapping page_;
  detail::platform::Mapping segment_;
  detail::UniquePtr<detail::platform::Beacon> beacon_;
};

// What a client says to a server that was spoilt before it came.
template <class Spoil>
Error refusal(Spoil&& spoil, bool is_lit = true) {
  const auto name = unique_name("attach");
  ForgedServer forged(name);
  if (is_lit) forged.light();
  spoil(forged);
  SharedChannel<Small>::Client client(name);
  const Stopwatch watch;
  const auto answer = client.call({1}, amply);
  CHECK(watch.elapsed() < promptly);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().not_executed());
  CHECK_FALSE(client.connected());
  return answer.error();
}

}  // namespace

TEST_CASE("attach: another type is refused and both are named") {
  const auto name = unique_name("attach");
  SharedChannel<Small, Large>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Small&) { return Large{}; })));
  SharedChannel<Large, Small>::Client client(name);
  const auto answer = client.call({}, amply);
  REQUIRE(error_of(answer) == Errc::layout_mismatch);
  CHECK(answer.error().message() == "shared channel '" + name +
                                        "': this program sends {i64[16]}, the server takes {i32}; "
                                        "this program expects {i32}, the server answers {i64[16]}");
  CHECK(answer.error().not_executed());
  CHECK(error_of(client.wait_for_server(amply)) == Errc::layout_mismatch);
}

TEST_CASE("attach: a refused client leaves nothing behind") {
  const auto name = unique_name("attach");
  SharedChannel<Small, Large>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Small&) { return Large{}; })));
  SharedChannel<Large>::Client client(name);
  CHECK(error_of(client.call({}, amply)) == Errc::layout_mismatch);
  const Footprint before(name);
  for (int i = 0; i < 10; ++i) CHECK(error_of(client.call({}, amply)) == Errc::layout_mismatch);
  CHECK(Footprint(name) == before);
  CHECK(SharedChannel<Small, Large>::Client(name).call({1}, amply));
}

TEST_CASE("attach: another alignment of the same size is refused") {
  struct alignas(8) Aligned {
    std::int64_t value;
  };
  struct Packed {
    std::int32_t values[2];
  };
  const auto name = unique_name("attach");
  SharedChannel<Aligned>::Server server(name);
  CHECK(error_of(SharedChannel<Packed>::Client(name).call({}, amply)) == Errc::layout_mismatch);
}

TEST_CASE("attach: a float is not taken for an integer") {
  struct Whole {
    std::int32_t value;
  };
  struct Real {
    float value;
  };
  const auto name = unique_name("attach");
  SharedChannel<Whole>::Server server(name);
  CHECK_FALSE(error_of(server.start([](Whole whole) { return whole; })));
  const auto answer = SharedChannel<Real>::Client(name).call({1}, amply);
  REQUIRE(error_of(answer) == Errc::layout_mismatch);
  CHECK(answer.error().message() == "shared channel '" + name +
                                        "': this program sends {f32}, the server takes {i32}; "
                                        "this program expects {f32}, the server answers {i32}");
}

TEST_CASE("attach: a tuple is not taken for a struct of the same members, which travels in other bytes") {
  struct Sample {
    std::uint8_t kind;
    std::int32_t value;
  };
  const auto name = unique_name("attach");
  SharedChannel<std::vector<Sample>>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const std::vector<Sample>& samples) { return samples; })));
  using Pairs = std::vector<std::pair<std::uint8_t, std::int32_t>>;
  const auto answer = SharedChannel<Pairs>::Client(name).call({{1, 2}}, amply);
  REQUIRE(error_of(answer) == Errc::layout_mismatch);
  CHECK(answer.error().message() == "shared channel '" + name +
                                        "': this program sends vector<(u8 i32)>, the server takes vector<{u8 i32}>; "
                                        "this program expects vector<(u8 i32)>, the server answers vector<{u8 i32}>");
}

TEST_CASE("attach: only the message that differs is named") {
  const auto name = unique_name("attach");
  SharedChannel<Small>::Server server(name);
  CHECK_FALSE(error_of(server.start([](Small small) { return small; })));
  using Sends = SharedChannel<Large, Small>::Client;
  using Expects = SharedChannel<Small, Large>::Client;
  CHECK(Sends(name).call({}, amply).error().message() ==
        "shared channel '" + name + "': this program sends {i64[16]}, the server takes {i32}");
  CHECK(Expects(name).call({}, amply).error().message() ==
        "shared channel '" + name + "': this program expects {i64[16]}, the server answers {i32}");
}

TEST_CASE("attach: of types that differ only in how they lie in memory that is named") {
  const auto error = refusal([](ForgedServer& forged) { forged.identity().shape.request_align = 8; });
  CHECK(error.code() == Errc::layout_mismatch);
  CHECK_THAT(error.message(), Contains("this program sends {i32} in 4 bytes aligned to 4, "
                                       "the server takes {i32} in 4 bytes aligned to 8"));
}

TEST_CASE("attach: types whose long descriptions differ only at their ends are told apart") {
  using One = Long<std::int32_t>;
  using Other = Long<float>;
  REQUIRE(description_of<One>().size() > detail::Description::capacity);
  REQUIRE(description_of<One>().substr(0, detail::Description::capacity) ==
          description_of<Other>().substr(0, detail::Description::capacity));
  const auto name = unique_name("attach");
  SharedChannel<One>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const One& message) { return message; })));
  CHECK(error_of(SharedChannel<Other>::Client(name).call({}, amply)) == Errc::layout_mismatch);
  CHECK(SharedChannel<One>::Client(name).call({}, amply));
}

TEST_CASE("attach: a schema of any characters is its own") {
  const auto name = unique_name("attach");
  SharedChannel<Umlaut>::Server server(name);
  CHECK_FALSE(error_of(server.start([](Umlaut message) { return message; })));
  CHECK(SharedChannel<Umlaut>::Client(name).call({7}, amply).value().value == 7);
  const auto answer = SharedChannel<Small>::Client(name).call({7}, amply);
  REQUIRE(error_of(answer) == Errc::layout_mismatch);
  CHECK_THAT(answer.error().message(), Contains("the server takes {i32}#gr????e"));
}

TEST_CASE("attach: another schema of the same layout is refused and both are named") {
  const auto name = unique_name("attach");
  SharedChannel<First>::Server server(name);
  CHECK_FALSE(error_of(server.start([](First first) { return first; })));
  const auto answer = SharedChannel<Second>::Client(name).call({1}, amply);
  REQUIRE(error_of(answer) == Errc::layout_mismatch);
  CHECK_THAT(answer.error().message(), Contains("{i32}#first") && Contains("{i32}#second"));
  CHECK(error_of(SharedChannel<Small>::Client(name).call({1}, amply)) == Errc::layout_mismatch);
  CHECK(SharedChannel<First>::Client(name).call({7}, amply).value().value == 7);
}

TEST_CASE("attach: another protocol version is refused and both are named") {
  const auto error = refusal([](ForgedServer& forged) { forged.identity().version = 99; });
  CHECK(error.code() == Errc::layout_mismatch);
  CHECK_THAT(error.message(),
             Contains("version 99") && Contains("this program " + std::to_string(detail::abi_version)));
}

TEST_CASE("attach: another version of the rendezvous is refused") {
  const auto error = refusal([](ForgedServer& forged) { forged.record().version = 99; });
  CHECK(error.code() == Errc::layout_mismatch);
  CHECK_THAT(error.message(), Contains("version 99"));
}

TEST_CASE("attach: another machine's byte order is refused") {
  const auto error = refusal([](ForgedServer& forged) { forged.identity().magic = 0x534348414E4E454C; });
  CHECK(error.code() == Errc::layout_mismatch);
  CHECK_THAT(error.message(), Contains("a different byte order"));
}

TEST_CASE("attach: a rendezvous that is not ours is no server") {
  CHECK(refusal([](ForgedServer& forged) { forged.record().magic = 0; }).code() == Errc::no_server);
}

TEST_CASE("attach: a generation that was never published is no server") {
  CHECK(refusal([](ForgedServer& forged) { forged.record().generation.store(0); }).code() == Errc::no_server);
}

TEST_CASE("attach: a generation whose segment is not there is no server") {
  CHECK(refusal([](ForgedServer& forged) { forged.record().generation.store(77); }).code() == Errc::no_server);
}

TEST_CASE("attach: a segment of another generation is refused") {
  const auto error = refusal([](ForgedServer& forged) { forged.identity().generation = 77; });
  CHECK(error.code() == Errc::corrupt);
  CHECK_THAT(error.message(), Contains("impossible values") && Contains("restart the server"));
}

TEST_CASE("attach: impossible numbers of slots are refused") {
  for (const std::uint32_t slots : {0u, max_slots + 1, 0xFFFF'FFFFu}) {
    CHECK(refusal([&](ForgedServer& forged) { forged.identity().slot_count = slots; }).code() == Errc::corrupt);
  }
}

TEST_CASE("attach: more slots than the segment has room for are refused") {
  CHECK(refusal([](ForgedServer& forged) { forged.identity().slot_count = max_slots; }).code() ==
        Errc::layout_mismatch);
  const auto lie = [](ForgedServer& forged) {
    forged.identity().slot_count = max_slots;
    forged.identity().total_bytes = detail::Geometry::of(ForgedServer::shape, max_slots).total_bytes;
    forged.light();
  };
  const auto error = refusal(lie);
  CHECK(error.code() == Errc::layout_mismatch);
  CHECK_THAT(error.message(), Contains("are needed; restart the server"));
}

TEST_CASE("attach: a wrong total size is refused") {
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    CHECK(refusal([&](ForgedServer& forged) { forged.identity().total_bytes = bytes; }).code() ==
          Errc::layout_mismatch);
  }
}

TEST_CASE("attach: a segment that is smaller than its header says is not touched beyond its end") {
  const auto name = unique_name("attach");
  SharedChannel<Large>::Client client(name);
  ForgedServer forged(name, 4096);
  const auto contract = detail::contract_of<Large, Large>();
  forged.page().request.write(contract.request);
  forged.page().reply.write(contract.reply);
  forged.identity().shape = detail::shape_of<Large, Large>();
  forged.identity().slot_count = 100;
  forged.identity().total_bytes = detail::Geometry::of(forged.identity().shape, 100).total_bytes;
  forged.light();
  CHECK(error_of(client.call({}, amply)) == Errc::layout_mismatch);
}

#ifdef __linux__
TEST_CASE("attach: a server page that was cut short is refused") {
  for (const std::uint64_t bytes : {sizeof(Identity), sizeof(ServerPage) - 1}) {
    const auto name = unique_name("attach");
    ForgedServer forged(name, ForgedServer::geometry.total_bytes, bytes);
    CHECK(error_of(SharedChannel<Small>::Client(name).call({1}, amply)) == Errc::layout_mismatch);
  }
}

TEST_CASE("attach: a segment without room for a header is refused") {
  for (const std::uint64_t bytes : {sizeof(detail::SegmentMark), sizeof(Header) - 1}) {
    const auto name = unique_name("attach");
    ForgedServer forged(name, bytes);
    forged.light();
    CHECK(error_of(SharedChannel<Small>::Client(name).call({1}, amply)) == Errc::layout_mismatch);
  }
}
#endif

TEST_CASE("attach: a segment that another generation's page speaks of is refused") {
  const auto spoil = [](auto&& change) {
    return refusal([&](ForgedServer& forged) {
             forged.light();
             change(forged.header().mark);
           })
        .code();
  };
  CHECK(spoil([](detail::SegmentMark& mark) { mark.magic = 0; }) == Errc::corrupt);
  CHECK(spoil([](detail::SegmentMark& mark) { mark.version = 2; }) == Errc::corrupt);
  CHECK(spoil([](detail::SegmentMark& mark) { mark.generation = 77; }) == Errc::corrupt);
}

TEST_CASE("attach: a client's own mapping of the server page is read-only") {
  const auto name = unique_name("attach");
  ForgedServer forged(name);
  const auto names = *detail::Names::make(name, Scope::session);
  const auto page = detail::platform::Mapping::open(names, names.server_page(ForgedServer::generation),
                                                    detail::platform::ForClients::read);
  REQUIRE(page);
#ifdef _WIN32
  MEMORY_BASIC_INFORMATION region{};
  REQUIRE(::VirtualQuery(page->data(), &region, sizeof region) != 0);
  CHECK(region.Protect == PAGE_READONLY);
#else
  CHECK(::mprotect(page->data(), page->size(), PROT_READ | PROT_WRITE) != 0);
#endif
}

TEST_CASE("attach: a segment without a living server is no server") {
  CHECK(refusal([](ForgedServer&) {}, false).code() == Errc::no_server);
}

}  // namespace attach_test
