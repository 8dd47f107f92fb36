// A machine small enough to visit every state it can reach: a few threads, the words they share, and the system calls
// they make. The library's own slot_protocol.hpp, order.hpp and doorbell.hpp run on it, because they take their types
// as parameters.
//
// Each access to a word is one step. Nothing of a thread lives on a stack between two steps, so a state is plain bytes
// that can be copied, compared and hashed: a thread is at a *stage* with a few local numbers, and remembers the answers
// that its accesses got since the stage began. To take a step the stage runs again from its beginning, is given
// these answers, makes one access more, and is left (by longjmp) where it asks for the next.
//
// A step may have several outcomes: which sleeper a ring wakes, how old a value a load reads. All of them are tried.
//
// Memory is of one of three kinds. It is sequentially consistent; or has store buffers as x86 does: a store weaker than
// seq_cst then waits in its thread's buffer and reaches memory at any later time, possibly after later loads; in both
// the fences of the eventcounts are ignored, so that the words' own orderings must suffice. Or it has stale reads and
// fences as the C++ model does: see stale.hpp. It then keeps the newest values as well, for the judge.
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

#include <shared_channel/detail/protocol/order.hpp>

#include "choices.hpp"
#include "stale.hpp"

namespace explorer {

using Value = std::uint16_t;

inline constexpr int max_threads = 5;
inline constexpr int max_cells = 40;
inline constexpr int max_signals = 5;
inline constexpr int max_calls = 8;
inline constexpr int buffer_room = 4;
inline constexpr int answers_room = 32;
inline constexpr int locals_room = 11;

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
  Value mutex_holder;                     // who holds the client mutex: thread + 1
  Value deferred;                         // sequence of the call that the responder has yet to conclude
  Value deferred_slot;
  Value notice_fired;  // LoopNotice: it is not armed
  Value notice_set;    // its object
  Value beacon_out;
  Value deaths;
  Value standstills;
  Value expiries;
  Value spurious;
  std::array<Thread, max_threads> thread;
};
static_assert(std::has_unique_object_representations_v<State>);

enum class Kernel { futex, event };
enum class Memory { sequential, store_buffers, stale_reads };

/// What a wait or a lock answers.
enum Answer : Value { go_on = 0, timed_out = 1, server_gone = 2, looked_around = 3 };

/// The one machine of this program: state and step of the moment.
struct Machine {
  State state{};
  StaleMemory stale{};
  Memory memory = Memory::sequential;
  Kernel kernel = Kernel::futex;
  bool (*is_weakened)(Value cell, Value value) = nullptr;  // broken variants: this seq_cst store is only a release
  std::memory_order (*order_of_load)(Value cell, std::memory_order) = nullptr;  // likewise
  bool (*is_private)(Value cell) = nullptr;  // a word that one thread alone touches: no step of its own
  int (*stale_word)(Value cell) = nullptr;   // its number in `stale`
  Value (*rung_word)(Value signal) = nullptr;
  bool (*has_fence)(Value cell) = nullptr;           // after its announcement
  void (*judge)(Value cell, Value value) = nullptr;  // looks at a store to memory before it is made

  int running = -1;
  int replayed = 0;
  bool stepped = false;
  bool alone = false;  // run to the end without a scheduler
  Choices choices;
  const char* violation = nullptr;
  std::jmp_buf pause;

  [[nodiscard]] Thread& self() { return state.thread[static_cast<std::size_t>(running)]; }

  /// Leaves the stage, if its step has been made. What does not count is made at once with the step before it.
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

  /// A load that is not of S might as well be made later, together with the thread's next step: what it reads can still
  /// be read then, and it changes nothing for others.
  [[nodiscard]] bool is_early(Value cell, std::memory_order order) const {
    return is_stale(cell) && order_of_load(cell, order) != std::memory_order_seq_cst;
  }
  template <class Perform>
  Value early_step(Perform perform) {
    const bool had_stepped = stepped;
    const Value answer = step(perform);
    stepped = had_stepped;
    return answer;
  }

  [[noreturn]] void block() { std::longjmp(pause, 1); }

  void fail(const char* what) {
    if (violation == nullptr) violation = what;
  }

  // ---- memory ----

  /// Whether a word has a history.
  [[nodiscard]] bool is_stale(Value cell) const { return memory == Memory::stale_reads && !alone && !is_private(cell); }

  [[nodiscard]] Value load(Value cell, std::memory_order order) {
    if (!is_stale(cell)) return read(cell);
    const int word = stale_word(cell);
    order = order_of_load(cell, order);
    const int readable = stale.readable(running, word, order);
    return stale.load(running, word, order, readable - 1 - choices.among(readable));
  }
  void store(Value cell, Value value, std::memory_order order) {
    const bool is_weak = order != std::memory_order_seq_cst || is_weakened(cell, value);
    if (!is_stale(cell)) return write(cell, value, false, !is_weak);
    if (is_weak && order == std::memory_order_seq_cst) order = std::memory_order_release;
    change(cell, value, [&](int word) { return stale.store(running, word, value, order); });
  }
  /// A read-modify-write, which reads the newest value; of x86 it empties the buffer, whatever its order.
  template <class After>
  Value modify(Value cell, std::memory_order order, After after) {
    if (!is_stale(cell) && !alone) flush(self());
    const Value before = is_stale(cell) ? state.memory[cell] : read(cell);
    const Value value = after(before);
    if (is_stale(cell))
      change(cell, value, [&](int word) { return stale.modify(running, word, value, order); });
    else
      write(cell, value, false, true);
    return before;
  }
  Value add(Value cell, Value value, std::memory_order order) {
    const bool is_weak = is_weakened(cell, value);
    if (is_weak && !is_stale(cell)) {
      const Value before = read(cell);
      write(cell, value, true, false);
      return before;
    }
    return modify(cell, is_weak ? std::memory_order_release : order,
                  [&](Value before) { return static_cast<Value>(before + value); });
  }
  /// Answers with what was found: the newest value, and `value` is stored if that is `expected`; or one that is not.
  Value compare_exchange(Value cell, Value expected, Value value, std::memory_order order, std::memory_order failed) {
    const auto chosen = [&](Value before) { return before == expected ? value : before; };
    if (!is_stale(cell)) {
      if (!alone) flush(self());
      const Value found = read(cell);
      if (found == expected) write(cell, chosen(found), false, true);
      return found;
    }
    const int word = stale_word(cell);
    std::array<int, StaleMemory::values_room> others{};
    int count = 0;
    for (int i = 0; i < stale.readable(running, word, failed); ++i) {
      if (i == 0 || stale.peek(word, i) != expected) others[static_cast<std::size_t>(count++)] = i;
    }
    const int back = others[static_cast<std::size_t>(choices.among(count))];
    if (stale.peek(word, back) == expected) return modify(cell, order, chosen);
    return stale.load(running, word, failed, back);
  }

  /// A sequentially consistent one.
  void fence() {
    if (alone || memory == Memory::sequential) return;
    step([&]() -> Value {
      if (memory == Memory::stale_reads)
        stale.fence(running);
      else
        flush(self());
      return 0;
    });
  }
  /// By other means than a word: a mutex, say.
  void hand_over(int what) {
    if (memory == Memory::stale_reads) stale.hand_over(running, what);
  }
  void take_over(int what) {
    if (memory == Memory::stale_reads) stale.take_over(running, what);
  }
  void outlives(int dead) {
    if (memory == Memory::stale_reads) stale.outlives(running, dead);
  }

  template <class Append>
  void change(Value cell, Value value, Append append) {
    judge(cell, value);
    if (!append(stale_word(cell))) fail("the words have more values than the machine has room for");
    state.memory[cell] = value;
  }

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
        if (is_stale(cell)) stale.hear(running, stale_word(cell));
        if (load(cell, std::memory_order_relaxed) != seen) return go_on;
        self().asleep_on = static_cast<Value>(signal + 1);
        block();
      });
    }
    if (step([&] { return load(cell, std::memory_order_seq_cst); }) != seen) return go_on;
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
      if (memory == Memory::stale_reads) stale.ring(running, stale_word(rung_word(signal)));
      std::array<Thread*, max_threads> sleepers{};
      int count = 0;
      for (Thread& thread : state.thread) {
        if (thread.is_alive && thread.asleep_on == signal + 1) sleepers[static_cast<std::size_t>(count++)] = &thread;
      }
      if (count == 0) {
        if (kernel == Kernel::event) state.event[signal] = 1;
        return go_on;
      }
      wake(*sleepers[static_cast<std::size_t>(choices.among(count))], go_on);
      return go_on;
    });
  }

  /// All sleepers, where the system can.
  void ring_all(Value signal) {
    if (kernel == Kernel::event) return ring(signal);
    step([&]() -> Value {
      flush(self());
      if (memory == Memory::stale_reads) stale.ring(running, stale_word(rung_word(signal)));
      for (Thread& thread : state.thread) {
        if (thread.is_alive && thread.asleep_on == signal + 1) wake(thread, go_on);
      }
      return go_on;
    });
  }

  /// Both outcomes are tried.
  bool choose() {
    return step([&] { return static_cast<Value>(choices.among(2)); }) != 0;
  }
};

inline Machine machine;

/// Stands in for std::atomic<std::uint32_t>.
class Word {
 public:
  constexpr explicit Word(int cell) : cell_(static_cast<Value>(cell)) {}
  Word(const Word&) = delete;
  Word& operator=(const Word&) = delete;

  std::uint32_t load(std::memory_order order) const {
    const auto perform = [&] { return machine.load(cell_, order); };
    return machine.is_early(cell_, order) ? machine.early_step(perform) : machine.step(perform, counts());
  }
  void store(std::uint32_t value, std::memory_order order) {
    machine.step(
        [&]() -> Value {
          machine.store(cell_, static_cast<Value>(value), order);
          return 0;
        },
        counts());
  }
  std::uint32_t exchange(std::uint32_t value, std::memory_order order) {
    return machine.step([&] { return machine.modify(cell_, order, [&](Value) { return static_cast<Value>(value); }); },
                        counts());
  }
  bool compare_exchange_strong(std::uint32_t& expected, std::uint32_t value, std::memory_order order,
                               std::memory_order failed) {
    const Value before = static_cast<Value>(machine.step([&] {
      return machine.compare_exchange(cell_, static_cast<Value>(expected), static_cast<Value>(value), order, failed);
    }));
    const bool done = before == expected;
    if (!done) expected = before;
    return done;
  }
  std::uint32_t fetch_add(std::uint32_t value, std::memory_order order) {
    return machine.step([&] { return machine.add(cell_, static_cast<Value>(value), order); });
  }
  std::uint32_t fetch_sub(std::uint32_t value, std::memory_order order) {
    return machine.step([&] { return machine.add(cell_, static_cast<Value>(0 - value), order); });
  }

 private:
  friend void full_fence(const Word& word);
  [[nodiscard]] bool counts() const { return !machine.is_private(cell_); }

  Value cell_;
};

/// Stands in for std::atomic_thread_fence(): what the library calls for words that are std::atomic.
inline void full_fence(const Word& word) {
  if (machine.memory == Memory::stale_reads && machine.has_fence(word.cell_)) machine.fence();
}

/// The word of a call's place, whose thread and number are small here.
class PlaceWord : private Word {
  static constexpr unsigned small_bits = 8, bits = shared_channel::detail::Place::number_bits;
  static constexpr std::uint32_t small_mask = (1u << small_bits) - 1;

 public:
  using Word::Word;
  [[nodiscard]] std::uint32_t load(std::memory_order order) const {
    const std::uint32_t kept = Word::load(order);
    return kept >> small_bits << bits | (kept & small_mask);
  }
  void store(std::uint32_t word, std::memory_order order) {
    Word::store(word >> bits << small_bits | (word & small_mask), order);
  }
};

/// The word that tells of the call before, likewise.
class BeforeWord : private Word {
  using Before = shared_channel::detail::Before;
  static constexpr unsigned small_bits = 8;
  static constexpr std::uint32_t small_mask = (1u << small_bits) - 1, is_call = 1u << 15;

 public:
  using Word::Word;
  [[nodiscard]] std::uint32_t load(std::memory_order order) const {
    const std::uint32_t kept = Word::load(order);
    return (kept & is_call) == 0 ? kept : Before((kept & ~is_call) >> small_bits, kept & small_mask).word();
  }
  void store(std::uint32_t word, std::memory_order order) {
    const Before before(word);
    const std::uint32_t sequence = word & small_mask;
    Word::store(before.is_known() ? is_call | before.index() << small_bits | sequence : word, order);
  }
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
