// Whatever is opened is closed: after thousands of rounds nothing has grown.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include "faults/job.hpp"
#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace resources_faults {

using namespace faults;
using namespace shared_channel;
using namespace test_support;

namespace {

#if defined(_WIN32) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int connections = 1000;
constexpr int restarts = 100;
#else
constexpr int connections = 10'000;
constexpr int restarts = 1000;
#endif

Done answer(const Job& job) { return {job.id, check_of(job.id)}; }

}  // namespace

TEST_CASE("resources: connecting and closing many times") {
  const auto name = unique_name("resources");
  Jobs::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  const auto connect = [&](std::uint64_t id) { return Jobs::Client(name).call({id, 0, 0}, amply).value().id == id; };
  REQUIRE(connect(1));
  const Footprint before(name);
  for (int i = 0; i < connections; ++i) REQUIRE(connect(2));
  CHECK(Footprint(name) == before);
}

TEST_CASE("resources: restarting many times under one client") {
  const auto name = unique_name("resources");
  ClientOptions patient;
  patient.wait_for_server = true;
  Jobs::Client client(name, patient);
  const auto serve = [&](std::uint64_t id) {
    Jobs::Server server(name);
    CHECK_FALSE(error_of(server.start(answer)));
    return client.call({id, 0, 0}, amply).value().id == id;
  };
  REQUIRE(serve(1));
  REQUIRE(serve(2));
  const Footprint before(name);
  for (int i = 0; i < restarts; ++i) REQUIRE(serve(3));
  CHECK(Footprint(name) == before);
}

}  // namespace resources_faults
