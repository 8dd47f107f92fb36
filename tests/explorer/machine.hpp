// A machine small enough to visit every state it can reach: a few threads, the words they share, and the system calls
// they make. The library's own protocol.hpp and doorbell.hpp run on it, because they take their types as parameters.
//
// Each access to a word is one step. Nothing of a thread lives on a stack between two steps, so a state is plain bytes
// that can be copied, compared and hashed: a thread is at a *stage* with a few local numbers, and remembers the answers
// that its accesses got since the stage began. To take a step the stage runs again from its beginning, is given
// these answers, makes one access more, and is left (by longjmp) where it asks for the next.
//
// Memory is sequentially consistent, or has store buffers as x86 does: a store weaker than seq_cst then waits in its
// thread's buffer and reaches memory at any later time, possibly after later loads. Fences are ignored: the
// words' own orderings must suffice.
#pragma once

#include <array>
#include <atomic>
#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

namespace explorer {

using Value = std::uint16_t;

inline constexpr int max_threads = 5;
inline constexpr int max_cells = 40;
inline constexpr int max_signals = 5;
inline constexpr int max_calls = 8;
inline constexpr int buffer_room = 4;
inline constexpr int answers_room = 32;
inline constexpr int locals_room = 10;

struct BufferedStore {
  Value cell;
  Value value;
  Value is_sum;  // added to what is there when it arrives
};

inline constexpr Value stands_still = 2;  // lives, and never makes a step again

struct Thread {
  Value stage;
  Value is_alive;   // or stands_still
  Value asleep_on;  // signal + 1, or 0
  Value expired;    // its deadline has passed
  Value stores;
  Value answers;
  std::array<Value, locals_room> local;
  std::array<BufferedStore, buffer_room> store;
  std::array<Value, answers_room> answer;
};

/// All there is. No padding, so that equal states are equal bytes.
struct State {
  std::array<Value, max_cells> memory;
  std::array<Value, max_signals> event;  // Win32: set and not yet consumed
  std::array<Value, max_calls> executed;
  std::array<Value, max_calls> disowned;  // its caller was told that no handler saw it
  Value line;                             // who holds the client mutex: thread + 1
  Value deferred;                         // sequence of the call that the responder has yet to conclude
  Value deferred_slot;
  Value beacon_out;
  Value deaths;
  Value standstills;
  Value expiries;
  Value spurious;
  std::array<Thread, max_threads> thread;
};
static_assert(std::has_unique_object_representations_v<State>);

enum class Kernel { futex, event };
enum class Memory { sequential, store_buffers };

/// What a wait or a lock answers.
enum Answer : Value { go_on = 0, timed_out = 1, server_gone = 2, looked_around = 3 };

struct Violation {
  std::string what;
};

/// The one machine of this program: state and step of the moment.
struct Machine {
  State state{};
  Memory memory = Memory::sequential;
  Kernel kernel = Kernel::futex;
  bool (*is_weakened)(Value cell, Value value) = nullptr;  // broken variants: this seq_cst store is only a release
  bool (*is_private)(Value cell) = nullptr;                // a word that one thread alone touches: no step of its own
  void (*judge)(Value cell, Value value) = nullptr;        // looks at a store to memory before it is made

  int running = -1;
  int replayed = 0;
  bool stepped = false;
  bool alone = false;  // run to the end without a scheduler
  int choice = 0;
  int alternatives = 1;
  const char* violation = nullptr;
  std::jmp_buf pause;

  [[nodiscard]] Thread& self() { return state.thread[static_cast<std::size_t>(running)]; }

  /// Leaves the stage, if its step has been made.
  template <class Perform>
  Value step(Perform perform, bool counts = true) {
    if (alone) return perform();
    Thread& me = self();
    if (replayed < me.answers) return me.answer[static_cast<std::size_t>(replayed++)];
    if (stepped && counts) std::longjmp(pause, 1);
    const Value answer = perform();
    if (me.answers == answers_room) fail("a stage is too long for the machine");
    me.answer[static_cast<std::size_t>(me.answers++)] = answer;
    ++replayed;
    stepped = stepped || counts;
    return answer;
  }

  [[noreturn]] void block() { std::longjmp(pause, 1); }

  void fail(const char* what) {
    if (violation == nullptr) violation = what;
  }

  // ---- memory ----

  [[nodiscard]] Value read(Value cell) {
    Value value = state.memory[cell];
    if (alone) return value;
    const Thread& me = self();
    for (int i = 0; i < me.stores; ++i) {
      const BufferedStore& store = me.store[static_cast<std::size_t>(i)];
      if (store.cell == cell) value = static_cast<Value>(store.is_sum ? value + store.value : store.value);
    }
    return value;
  }

  void flush_one(Thread& thread) {
    const BufferedStore store = thread.store[0];
    Value& word = state.memory[store.cell];
    word = static_cast<Value>(store.is_sum ? word + store.value : store.value);
    for (int i = 1; i < thread.stores; ++i)
      thread.store[static_cast<std::size_t>(i - 1)] = thread.store[static_cast<std::size_t>(i)];
    thread.store[static_cast<std::size_t>(--thread.stores)] = {};
  }
  void flush(Thread& thread) {
    while (thread.stores > 0) flush_one(thread);
  }

  void write(Value cell, Value value, bool is_sum, bool is_full) {
    if (alone || memory == Memory::sequential || is_full) {
      if (!alone) flush(self());
      if (!alone) judge(cell, value);
      Value& word = state.memory[cell];
      word = static_cast<Value>(is_sum ? word + value : value);
      return;
    }
    Thread& me = self();
    if (me.stores == buffer_room) flush_one(me);
    me.store[static_cast<std::size_t>(me.stores++)] = {cell, value, static_cast<Value>(is_sum)};
  }

  // ---- system calls ----

  /// Sleeps while `cell` holds `seen`. Only ring(), or what the explorer does to a sleeper, ends it.
  Value wait(Value signal, Value cell, Value seen) {
    if (kernel == Kernel::futex) {
      return step([&]() -> Value {
        flush(self());
        if (state.memory[cell] != seen) return go_on;
        self().asleep_on = static_cast<Value>(signal + 1);
        block();
      });
    }
    if (step([&] { return read(cell); }) != seen) return go_on;
    return step([&]() -> Value {
      flush(self());
      if (state.event[signal] != 0) {
        state.event[signal] = 0;
        return go_on;
      }
      self().asleep_on = static_cast<Value>(signal + 1);
      block();
    });
  }

  void wake(Thread& thread, Answer answer) {
    thread.asleep_on = 0;
    thread.answer[static_cast<std::size_t>(thread.answers++)] = answer;
  }

  /// Wakes one sleeper, whichever: all choices are tried.
  void ring(Value signal) {
    step([&]() -> Value {
      flush(self());
      std::array<Thread*, max_threads> sleepers{};
      int count = 0;
      for (Thread& thread : state.thread) {
        if (thread.is_alive && thread.asleep_on == signal + 1) sleepers[static_cast<std::size_t>(count++)] = &thread;
      }
      if (count == 0) {
        if (kernel == Kernel::event) state.event[signal] = 1;
        return go_on;
      }
      alternatives = count;
      wake(*sleepers[static_cast<std::size_t>(choice)], go_on);
      return go_on;
    });
  }

  /// Both outcomes are tried.
  bool choose() {
    return step([&]() -> Value {
             alternatives = 2;
             return static_cast<Value>(choice);
           }) != 0;
  }
};

inline Machine machine;

/// Stands in for std::atomic<std::uint32_t>.
class Word {
 public:
  constexpr explicit Word(int cell) : cell_(static_cast<Value>(cell)) {}
  Word(const Word&) = delete;
  Word& operator=(const Word&) = delete;

  std::uint32_t load(std::memory_order) const {
    return machine.step([&] { return machine.read(cell_); }, counts());
  }
  void store(std::uint32_t value, std::memory_order order) {
    machine.step(
        [&]() -> Value {
          machine.write(cell_, static_cast<Value>(value), false, is_full(order, static_cast<Value>(value)));
          return 0;
        },
        counts());
  }
  std::uint32_t exchange(std::uint32_t value, std::memory_order) {
    return machine.step(
        [&] {
          if (!machine.alone) machine.flush(machine.self());
          const Value before = machine.read(cell_);
          machine.write(cell_, static_cast<Value>(value), false, true);
          return before;
        },
        counts());
  }
  bool compare_exchange_strong(std::uint32_t& expected, std::uint32_t value, std::memory_order,
                               std::memory_order = std::memory_order_relaxed) {
    const Value before = static_cast<Value>(machine.step([&] {
      if (!machine.alone) machine.flush(machine.self());
      const Value found = machine.read(cell_);
      if (found == expected) machine.write(cell_, static_cast<Value>(value), false, true);
      return found;
    }));
    const bool done = before == expected;
    if (!done) expected = before;
    return done;
  }
  std::uint32_t fetch_add(std::uint32_t value, std::memory_order order) {
    return add(static_cast<Value>(value), order);
  }
  std::uint32_t fetch_sub(std::uint32_t value, std::memory_order order) {
    return add(static_cast<Value>(0 - value), order);
  }

 private:
  Value add(Value value, std::memory_order) {
    return machine.step([&] {
      const bool full =
          !machine.is_weakened(cell_, value);  // a read-modify-write of x86 empties the buffer, whatever its order
      if (full && !machine.alone) machine.flush(machine.self());
      const Value before = machine.read(cell_);
      machine.write(cell_, value, true, full);
      return before;
    });
  }
  [[nodiscard]] bool is_full(std::memory_order order, Value value) const {
    return order == std::memory_order_seq_cst && !machine.is_weakened(cell_, value);
  }
  [[nodiscard]] bool counts() const { return !machine.is_private(cell_); }

  Value cell_;
};

/// Stands in for std::atomic<std::uint64_t>, whose values are small here.
class LongWord : private Word {
 public:
  using Word::load;
  using Word::Word;
  void store(std::uint64_t value, std::memory_order order) { Word::store(static_cast<std::uint32_t>(value), order); }
};

/// 64 bits of a state, by which visited ones are known again.
inline std::uint64_t fingerprint(const State& state) {
  std::uint64_t words[(sizeof(State) + 7) / 8]{};
  std::memcpy(words, &state, sizeof state);
  std::uint64_t a = 0x9E37'79B9'7F4A'7C15, b = 0xC2B2'AE3D'27D4'EB4F;
  for (const std::uint64_t word : words) {
    a = (a ^ word) * 0x9FB2'1C65'1E98'DF25;
    a ^= a >> 32;
    b = (b + word) * 0xD6E8'FEB8'6659'FD93 + (a << 7);
  }
  const std::uint64_t mixed = a ^ (b >> 29) ^ (b << 17);
  return mixed != 0 ? mixed : 1;
}

/// A set of fingerprints: open addressing, a third full at most.
class Visited {
 public:
  bool insert(std::uint64_t key) {
    if (3 * (count_ + 1) > table_.size()) grow();
    if (!place(table_, key)) return false;
    ++count_;
    return true;
  }
  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  static bool place(std::vector<std::uint64_t>& table, std::uint64_t key) {
    std::size_t at = key & (table.size() - 1);
    while (table[at] != 0) {
      if (table[at] == key) return false;
      at = (at + 1) & (table.size() - 1);
    }
    table[at] = key;
    return true;
  }
  void grow() {
    std::vector<std::uint64_t> larger(2 * table_.size());
    for (const std::uint64_t key : table_) {
      if (key != 0) place(larger, key);
    }
    table_.swap(larger);
  }

  std::vector<std::uint64_t> table_ = std::vector<std::uint64_t>(1 << 16);
  std::size_t count_ = 0;
};

}  // namespace explorer
