// Servers where operator new finds no memory.
#ifdef __linux__
#include "allocator.hpp"
#include "role.hpp"

#include <atomic>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stop_token>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"
#include "support/resources.hpp"

std::atomic<std::mutex*> peer::allocators_mutex{nullptr};

namespace {

std::atomic<long> allocations_left{LONG_MAX};  // and none after them

thread_local volatile int allocating_here = 0;

// As an allocator may: with a mutex of its own.
class Allocating {
 public:
  Allocating() {
    allocating_here = allocating_here + 1;
    if (mutex_ != nullptr) mutex_->lock();
  }
  ~Allocating() {
    if (mutex_ != nullptr) mutex_->unlock();
    allocating_here = allocating_here - 1;
  }
  Allocating(const Allocating&) = delete;
  Allocating& operator=(const Allocating&) = delete;

 private:
  std::mutex* const mutex_ = peer::allocators_mutex.load();
};

void* allocate(std::size_t size) {
  const Allocating allocating;
  if (allocations_left.load() != LONG_MAX && allocations_left.fetch_sub(1) <= 0) return nullptr;
  return std::malloc(size != 0 ? size : 1);
}

void give_back(void* memory) {
  const Allocating allocating;
  std::free(memory);
}

}  // namespace

bool peer::is_allocating() { return allocating_here != 0; }

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* const memory = allocate(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { give_back(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }

namespace {

using test_support::Channel;

// no_memory_at_the_end NAME: serves, and ends where there is no memory.
const peer::Role no_memory_at_the_end{
    "no_memory_at_the_end", [](const peer::Arguments& arguments) {
      {
        Channel::Server server(arguments.at(0));
        server.start([](const test_support::Ask& ask) { return test_support::Answer{ask.id, 0}; }).value();
        allocations_left = 0;
      }
      allocations_left = LONG_MAX;
      return 0;
    }};

// no_memory_to_make NAME: makes a server with ever more memory, until that suffices, and says what each attempt left.
const peer::Role no_memory_to_make{
    "no_memory_to_make", [](const peer::Arguments& arguments) {
      std::string left = "left:";
      for (long most = 0; most < 10000; ++most) {
        bool is_made = false;
        try {
          const std::string name = arguments.at(0);
          allocations_left = most;
          is_made = Channel::Server::create(name).has_value();
        } catch (const std::bad_alloc&) {
        }
        allocations_left = LONG_MAX;
        if (is_made) break;
        for (const auto& entry : test_support::shm_entries("shared_channel." + arguments[0]))
          left += ' ' + std::to_string(most) + ' ' + entry;
      }
      peer::say(left);
      return 0;
    }};

// no_memory_to_ask NAME MOST: begins an asynchronous call with memory for MOST allocations; says whether that threw,
// and hears a line: the requests of one that has ended would not run anyway.
const peer::Role no_memory_to_ask{"no_memory_to_ask", [](const peer::Arguments& arguments) {
                                    using namespace std::chrono_literals;
                                    Channel::Client client(arguments.at(0));
                                    client.wait_for_server(10s).value();
                                    const std::stop_source source;
                                    const auto drop = [](const shared_channel::Result<test_support::Answer>&) {};
                                    const test_support::Ask ask = test_support::echo(1);
                                    const long most = std::stol(arguments.at(1));
                                    bool has_thrown = false;
                                    try {
                                      allocations_left = most;
                                      static_cast<void>(client.call_async(ask, 10s, drop, source.get_token()));
                                    } catch (const std::bad_alloc&) {
                                      has_thrown = true;
                                    }
                                    allocations_left = LONG_MAX;
                                    peer::say(has_thrown ? "thrown" : "returned");
                                    peer::hear();
                                    return 0;
                                  }};

}  // namespace
#endif
