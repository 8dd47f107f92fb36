// Where the time of a small call goes: a round trip over one cache line by hand, with the protocol's steps added one
// after another. Two threads on two cores, each step in turn, several rounds.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <iostream>
#include <thread>
#include <vector>

#include "support/clock.hpp"
#include "support/roles.hpp"
#include "support/spin.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

// What a round trip does beyond one word each way on one line.
struct Steps {
  bool carries_messages = false;  // 48 bytes written and read by both sides
  bool marks_taken = false;       // the worker's lock, T1 and T2
  bool claims_slot = false;       // the caller's claim and release
  bool counts_users = false;      // the caller's hold on its connection
};

struct alignas(128) Line {
  std::atomic<std::uint32_t> request{0};
  std::atomic<std::uint32_t> reply{0};
  std::uint64_t unused = 0;
  std::byte message[48] = {};
};
struct alignas(128) Word {
  std::atomic<std::uint32_t> value{0};
};

struct Memory {
  Line line;
  Word taken, desk, owner, users;
  std::atomic<bool> over{false};
};

template <Steps steps>
void answer(Memory& memory) {
  alignas(16) std::byte message[48] = {};
  for (std::uint32_t call = 1;; ++call) {
    while (memory.line.request.load(std::memory_order_seq_cst) != call) {
      if (memory.over.load(std::memory_order_relaxed)) return;
      pause();
    }
    if constexpr (steps.marks_taken) {
      memory.desk.value.exchange(1, std::memory_order_acquire);
      memory.taken.value.store(call, std::memory_order_seq_cst);
      static_cast<void>(memory.line.request.load(std::memory_order_seq_cst));
    }
    if constexpr (steps.carries_messages) {
      std::memcpy(message, memory.line.message, sizeof message);
      std::memcpy(memory.line.message, message, sizeof message);
    }
    memory.line.reply.store(call, std::memory_order_seq_cst);
    if constexpr (steps.marks_taken) memory.desk.value.store(0, std::memory_order_release);
  }
}

template <Steps steps>
void ask(Memory& memory, std::uint32_t call) {
  alignas(16) std::byte message[48] = {};
  if constexpr (steps.counts_users) memory.users.value.fetch_add(1, std::memory_order_seq_cst);
  if constexpr (steps.claims_slot) {
    std::uint32_t nobody = 0;
    memory.owner.value.compare_exchange_strong(nobody, 1, std::memory_order_acquire);
  }
  if constexpr (steps.carries_messages) std::memcpy(memory.line.message, message, sizeof message);
  memory.line.request.store(call, std::memory_order_seq_cst);
  spin_until([&] { return memory.line.reply.load(std::memory_order_seq_cst) == call; });
  if constexpr (steps.carries_messages) std::memcpy(message, memory.line.message, sizeof message);
  if constexpr (steps.claims_slot) memory.owner.value.store(0, std::memory_order_seq_cst);
  if constexpr (steps.counts_users) memory.users.value.fetch_sub(1, std::memory_order_seq_cst);
}

// The middle of many batches, in nanoseconds a round trip.
template <Steps steps>
double measure(const Clock& clock) {
  const std::vector<unsigned> cpus = allowed_cpus();
  Memory memory;
  std::thread server([&] {
    pin_to(cpus.back());
    answer<steps>(memory);
  });
  pin_to(cpus.front());
  constexpr std::uint32_t batches = 3000, batch = 32;
  std::vector<double> times;
  std::uint32_t call = 0;
  for (std::uint32_t i = 0; i < batches; ++i) {
    const std::uint64_t begin = ticks();
    for (std::uint32_t j = 0; j < batch; ++j) ask<steps>(memory, ++call);
    times.push_back(clock.to_ns(static_cast<double>(ticks() - begin)) / batch);
  }
  memory.over = true;
  server.join();
  return spread(times).median;
}

int drive(const Options& options) {
  if (allowed_cpus().size() < 2) {
    std::cout << "anatomy: skipped: it needs two cores\n";
    return 0;
  }
  const Clock clock = Clock::calibrate();
  const auto rounds = static_cast<unsigned>(options.number("rounds", options.has("quick") ? 2 : 9));
  struct Row {
    const char* what;
    double (*measure)(const Clock&);
    std::vector<double> ns = {};
  };
  std::array rows{Row{"one word each way", measure<Steps{}>}, Row{"and 48 bytes", measure<Steps{true}>},
                  Row{"and the worker's lock, T1 and T2", measure<Steps{true, true}>},
                  Row{"and the claim and release of a slot", measure<Steps{true, true, true}>},
                  Row{"and the hold on the connection", measure<Steps{true, true, true, true}>}};
  for (unsigned round = 0; round < rounds; ++round)
    for (Row& row : rows) row.ns.push_back(row.measure(clock));

  std::cout << "\na round trip by hand, step by step: the middle of " << rounds << " rounds, and their range\n";
  Table table({"over one cache line", "p50", "least", "most"});
  for (const Row& row : rows) {
    const Spread ns = spread(row.ns);
    table.row({row.what, format("%.0f ns", ns.median), format("%.0f ns", ns.low), format("%.0f ns", ns.high)});
  }
  table.print();
  return 0;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) { return bench::run_main(argc, argv, bench::drive); }
