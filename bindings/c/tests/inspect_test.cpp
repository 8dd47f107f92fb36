// Channels seen from outside, by C.
#include "support/catch.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "handles.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"

namespace c_inspect_test {

using namespace c_test;
using namespace test_support;

TEST_CASE("c inspect: a channel, its shape and its calls") {
  const auto name = unique_name("c");
  const sc_info* found = nullptr;
  Failure failure;
  CHECK(sc_inspect(name.c_str(), SC_SCOPE_SESSION, &found, &failure) == SC_NO_SERVER);
  CHECK(sc_inspect("a/b", SC_SCOPE_SESSION, &found, &failure) == SC_INVALID_NAME);
  CHECK(sc_inspect(name.c_str(), 5, &found, &failure) == SC_INVALID_ARGUMENT);
  CHECK(found == nullptr);

  const sc_message numbers = described("{i32 i32}");
  const auto server = open_server(name, &numbers, nullptr);
  const auto client = open_client(name);
  const auto call = send(client.get(), std::int64_t{0});
  REQUIRE(sc_inspect(name.c_str(), SC_SCOPE_SESSION, &found, &failure) == SC_OK);
  const Handle<const sc_info> info(found);
  CHECK(info->size == sizeof(sc_info));
  CHECK(info->state == SC_STATE_OPEN);
  CHECK(info->name == name);
  CHECK(info->problem == std::string());
  CHECK(info->shape->request->description == std::string("{i32 i32}"));
  CHECK(info->shape->reply->description == std::string("bytes"));
  CHECK(info->max_calls == 16);
  CHECK(info->process_id != 0);
  CHECK(info->memory > 0);
  CHECK(info->started > 0);
  CHECK(info->stats->size == sizeof(sc_stats));
  REQUIRE(info->call_count == 1);
  CHECK(info->calls[0]->size == sizeof(sc_call_info));
  CHECK(info->calls[0]->state == SC_CALL_QUEUED);
  CHECK(info->calls[0]->is_caller_alive == 1);
}

TEST_CASE("c inspect: the list of channels") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  const sc_list* found = nullptr;
  Failure failure;
  REQUIRE(sc_list_channels(SC_SCOPE_SESSION, &found, &failure) == SC_OK);
  const Handle<const sc_list> list(found);
  CHECK(std::count_if(list->names, list->names + list->count, [&](const char* one) { return one == name; }) == 1);
  CHECK(std::is_sorted(list->names, list->names + list->count,
                       [](std::string_view left, std::string_view right) { return left < right; }));
  CHECK(sc_list_channels(7, &found, &failure) == SC_INVALID_ARGUMENT);
}

}  // namespace c_inspect_test
