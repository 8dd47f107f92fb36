// Memory that runs out at any point of a function is an error of that function. On Win32 the DLL has an allocator of
// its own, out of reach.
#ifdef __linux__

#include "support/catch.hpp"

#include <cstdlib>
#include <new>
#include <string>

#include "handles.hpp"
#include "support/names.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

namespace c_memory_test {

// How many allocations of this thread succeed before one fails; less than 0: all do.
thread_local int allocations_left = -1;

static void* allocate(std::size_t size, std::size_t alignment) {
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  void* const memory = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace c_memory_test

// This program's, and so the library's.
void* operator new(std::size_t size) { return c_memory_test::allocate(size, 16); }
void* operator new[](std::size_t size) { return c_memory_test::allocate(size, 16); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return c_memory_test::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::aligned_alloc(16, (size + 16) / 16 * 16);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return std::aligned_alloc(16, (size + 16) / 16 * 16);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace c_memory_test {

using namespace c_test;
using namespace test_support;
using shared_channel::RawClient;

namespace {

// Lets each allocation of `function` fail in turn, until it needs no more of them. How many times it failed.
template <class Function>
int failures_of(Function&& function) {
  // Of the first hundred each one; a list of channels takes as many as other programs have left.
  for (int allowed = 0; allowed < 10'000'000; allowed += 1 + allowed / 100) {
    Failure failure;
    allocations_left = allowed;
    const sc_code code = function(&failure);
    const bool has_failed = allocations_left < 0;
    allocations_left = -1;
    if (!has_failed) {
      CHECK(code == SC_OK);
      return allowed;
    }
    CHECK(failure.code == code);
    CHECK((code == SC_OUT_OF_MEMORY || code == SC_OK));
  }
  return -1;
}

}  // namespace

TEST_CASE("c memory: whichever allocation fails, it is an error and nothing more") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  const auto client = open_client(name);
  const char byte = 'x';

  Handle<sc_client> other_client;
  CHECK(failures_of([&](sc_error* error) {
          sc_client* made = nullptr;
          const sc_code code = sc_client_open(name.c_str(), nullptr, &made, error);
          if (made != nullptr) other_client.reset(made);
          return code;
        }) > 0);
  CHECK(failures_of([&](sc_error* error) {
          return sc_client_wait_for_server(other_client.get(), amply_ns, nullptr, error);
        }) > 0);
  CHECK(failures_of([&](sc_error* error) {
          const sc_shape* shape = nullptr;
          const sc_code code = sc_client_describe(client.get(), amply_ns, nullptr, &shape, error);
          sc_shape_free(shape);
          return code;
        }) > 0);
  CHECK(failures_of([&](sc_error* error) {
          sc_call* call = nullptr;
          const sc_code code = sc_client_begin(client.get(), amply_ns, nullptr, &call, error);
          sc_call_release(call);
          return code;
        }) > 0);
  Handle<sc_call> call;
  CHECK(failures_of([&](sc_error* error) {
          sc_call* made = nullptr;
          const sc_code code = sc_client_call_async(client.get(), &byte, 1, amply_ns, nullptr, &made, error);
          if (made != nullptr) call.reset(made);
          return code;
        }) > 0);
  CHECK(failures_of([&](sc_error* error) {
          const sc_info* info = nullptr;
          const sc_code code = sc_inspect(name.c_str(), SC_SCOPE_SESSION, &info, error);
          sc_info_free(info);
          return code;
        }) > 0);
  CHECK(failures_of([&](sc_error* error) {
          const sc_list* list = nullptr;
          const sc_code code = sc_list_channels(SC_SCOPE_SESSION, &list, error);
          sc_list_free(list);
          return code;
        }) > 0);
}

TEST_CASE("c memory: a request for which there is no memory fails, and the next is given out") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  RawClient client(name);
  auto first = client.call_async(bytes_of("first"), amply);
  auto second = client.call_async(bytes_of("second"), amply);
  sc_request* request = nullptr;
  allocations_left = 0;
  const sc_code code = sc_server_next(server.get(), amply_ns, nullptr, &request, nullptr);
  allocations_left = -1;
  REQUIRE(code == SC_OK);
  CHECK(sc_request_reply(request, "ok", 2, nullptr) == SC_OK);
  sc_request_release(request);
  CHECK(first.get().error().code() == shared_channel::Errc::handler_failed);
  CHECK(text_of(second.get().value().bytes()) == "ok");
}

TEST_CASE("c memory: numbers for which there was no memory are told the next time") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  RawClient client(name);
  auto asked = client.call_async(bytes_of("x"), amply);
  sc_request* request = nullptr;
  REQUIRE(sc_server_next(server.get(), amply_ns, nullptr, &request, nullptr) == SC_OK);
  sc_stats stats{};
  stats.size = sizeof stats;
  CHECK(failures_of([&](sc_error* error) { return sc_server_stats(server.get(), &stats, error); }) > 0);
  CHECK(stats.running == 1);
  CHECK(sc_request_reply(request, "ok", 2, nullptr) == SC_OK);
  sc_request_release(request);
  CHECK(text_of(asked.get().value().bytes()) == "ok");
}

}  // namespace c_memory_test

#endif
