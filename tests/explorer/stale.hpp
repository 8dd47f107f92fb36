// Memory with stale reads, as the C++ model allows them: each word keeps the values that it had, in the order in which
// they were stored, and a load may answer with any of them that is not older than what its thread must have seen.
//
// What a thread must have seen is its view: for each word, the number of a value. A release store leaves the view
// beside its value, and an acquire load that reads the value joins it. A read-modify-write reads the newest value, and
// passes on what stood beside it.
//
// The one order of sequentially consistent operations, S, is kept as a vector too: for each word, the newest value that
// precedes the next operation of S. A load of S reads no older one. A fence joins the vector, and raises it to all that
// its thread has seen. A *store* of S raises it late: only once an operation is made that S must put after it. That is
// one of the same thread, one that the thread's release led to (but for the load itself that acquired that), one of the
// same word that reads it or a newer value, or a fence of whoever has seen it. Until then others' operations may
// precede it in S although they were made later, and although their threads may have seen it by an acquire load: one of
// the two lost wake-ups that this memory was made to find needs exactly that. So a thread carries what it *owes* to S,
// and so does each value, for those that acquire it.
//
// What it does not have, and the language allows:
//   - a load that reads what is stored later (no compiler or processor of today does that to these words);
//   - a store that goes before one made already in the order of its word's values. Each word of the protocol has one
//     writer at a time, which has acquired what the writer before it did, so that the order is forced. Only `announced`
//     and `starving` have several;
//   - a fence or load of S that comes in S after an operation made later, where the later thread knows of the earlier
//     one by relaxed loads alone;
//   - if the plan sets a bound: values older than a word's so many newest.
// What it has, and the language does not: fences give nothing to the relaxed loads and stores around them, and a load
// of S does not keep later ones from older values (RC11 says the same). The kernel is believed no more than it must be:
// when it compares a futex it may read an old value as well, though none older than what an earlier ring for it knew;
// and a wake-up carries no view.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace explorer {

/// For each word, the number of one of its values.
struct View {
  static constexpr int room = 32;
  std::array<std::uint8_t, room> at;

  void join(const View& other) {
    for (std::size_t i = 0; i < room; ++i) at[i] = (std::max)(at[i], other.at[i]);
  }
};

class StaleMemory {
 public:
  static constexpr int threads = 5;
  static constexpr int values_room = 112;
  static constexpr int hand_overs = 3;

  struct Stored {
    std::uint16_t value;
    View seen;   // joined by who acquires it
    View owed;   // what must then precede the next operation of S
    View chain;  // stores of S to this word, up to here, with what must precede them in S
  };
  static constexpr bool acquires(std::memory_order order) {
    return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
  }
  static constexpr bool releases(std::memory_order order) {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
  }
  static constexpr bool is_full(std::memory_order order) { return order == std::memory_order_seq_cst; }

  /// Every word holds 0.
  void begin(int words) {
    *this = StaleMemory{};
    words_ = static_cast<std::uint8_t>(words);
    for (int word = 0; word < words; ++word) {
      first_[index(word)] = static_cast<std::uint8_t>(word);
      count_[index(word)] = 1;
    }
    used_ = static_cast<std::uint8_t>(words);
  }

  void begin_with(int word, std::uint16_t value) { values_[index(first_[index(word)])].value = value; }

  /// How many values a load may answer with.
  [[nodiscard]] int readable(int thread, int word, std::memory_order order) const {
    return count_[index(word)] - oldest(thread, word, order);
  }
  /// The value that a load answers with, 0 being the newest; without any effect.
  [[nodiscard]] std::uint16_t peek(int word, int back) const { return stored(word, newest(word) - back).value; }

  std::uint16_t load(int thread, int word, std::memory_order order, int back) {
    const int number = newest(word) - back;
    View& view = view_[index(thread)];
    if (is_full(order)) full_.join(owes_[index(thread)]);
    const Stored& read = stored(word, number);
    if (is_full(order)) full_.join(read.chain);
    view.at[index(word)] = static_cast<std::uint8_t>(number);
    if (acquires(order)) {
      view.join(read.seen);
      owes_[index(thread)].join(read.owed);
    }
    return read.value;
  }

  /// False: there is no room for one more.
  bool store(int thread, int word, std::uint16_t value, std::memory_order order) {
    return append(thread, word, value, order, false);
  }
  bool modify(int thread, int word, std::uint16_t value, std::memory_order order) {
    return append(thread, word, value, order, true);
  }

  void fence(int thread) {
    View& view = view_[index(thread)];
    full_.join(owes_[index(thread)]);
    for (int word = 0; word < words_; ++word) full_.join(View(stored(word, view.at[index(word)]).chain));
    view.join(full_);
    full_ = view;
  }

  /// The kernel wakes sleepers on a word, and compares it for somebody who would sleep, under one lock.
  void ring(int thread, int word) {
    std::uint8_t& rung = rung_.at[index(word)];
    rung = (std::max)(rung, view_[index(thread)].at[index(word)]);
  }
  void hear(int thread, int word) {
    std::uint8_t& seen = view_[index(thread)].at[index(word)];
    seen = (std::max)(seen, rung_.at[index(word)]);
  }

  // Outside the words: a mutex and the like.
  void hand_over(int thread, int what) {
    handed_[index(what)].join(view_[index(thread)]);
    handed_owed_[index(what)].join(owes_[index(thread)]);
  }
  void take_over(int thread, int what) {
    view_[index(thread)].join(handed_[index(what)]);
    owes_[index(thread)].join(handed_owed_[index(what)]);
  }
  /// The kernel's word that a thread is gone comes after all it did.
  void outlives(int thread, int dead) {
    view_[index(thread)].join(view_[index(dead)]);
    owes_[index(thread)].join(owes_[index(dead)]);
  }

  /// Forgets what nobody can tell any more, and all but the `most` newest values of each word. `acts` says of a thread
  /// whether it may ever make a step again, and `is_known` whether others may ask what it has seen.
  template <class Acts, class IsKnown>
  void tidy(int most, Acts acts, IsKnown is_known) {
    View floor;
    for (int word = 0; word < View::room; ++word) {
      int lowest = word < words_ ? newest(word) : 0;
      for (int thread = 0; thread < threads; ++thread)
        if (acts(thread)) lowest = (std::min)(lowest, static_cast<int>(view_[index(thread)].at[index(word)]));
      floor.at[index(word)] = static_cast<std::uint8_t>((std::max)(lowest, newest(word) + 1 - most));
    }
    const auto drop = [&](int word) {
      const int gone = floor.at[index(word)];
      if (gone == 0) return;
      const int from = first_[index(word)];
      std::copy(values_.begin() + from + gone, values_.begin() + used_, values_.begin() + from);
      used_ = static_cast<std::uint8_t>(used_ - gone);
      count_[index(word)] = static_cast<std::uint8_t>(count_[index(word)] - gone);
      for (int later = word + 1; later < words_; ++later)
        first_[index(later)] = static_cast<std::uint8_t>(first_[index(later)] - gone);
    };
    for (int word = 0; word < words_; ++word) drop(word);
    const auto lower = [&](View& view) {
      for (std::size_t i = 0; i < View::room; ++i)
        view.at[i] = static_cast<std::uint8_t>(view.at[i] > floor.at[i] ? view.at[i] - floor.at[i] : 0);
    };
    const auto settle = [&](View& owed) {
      lower(owed);
      for (std::size_t i = 0; i < View::room; ++i)
        if (owed.at[i] <= full_.at[i]) owed.at[i] = 0;
    };
    lower(full_);
    lower(rung_);
    for (int thread = 0; thread < threads; ++thread) {
      if (acts(thread) || is_known(thread)) {
        lower(view_[index(thread)]);
        settle(owes_[index(thread)]);
      } else {
        view_[index(thread)] = owes_[index(thread)] = View{};
      }
    }
    for (int what = 0; what < hand_overs; ++what) {
      lower(handed_[index(what)]);
      settle(handed_owed_[index(what)]);
    }
    for (int i = 0; i < used_; ++i) {
      Stored& value = values_[index(i)];
      lower(value.seen);
      settle(value.owed);
      settle(value.chain);
    }
  }

  /// Of what tidy() left.
  [[nodiscard]] std::uint64_t fingerprint(std::uint64_t seed) const {
    static_assert(sizeof(Stored) == 2 + 3 * View::room && sizeof(StaleMemory) == offset_of_values + sizeof values_);
    std::uint64_t a = seed, b = seed * 0xD6E8'FEB8'6659'FD93;
    const auto mix = [&](const void* from, std::size_t bytes) {
      const auto* at = static_cast<const unsigned char*>(from);
      for (; bytes > 0;) {
        std::uint64_t word = 0;
        const std::size_t taken = (std::min)(bytes, sizeof word);
        std::memcpy(&word, at, taken);
        at += taken;
        bytes -= taken;
        a = (a ^ word) * 0x9FB2'1C65'1E98'DF25;
        a ^= a >> 32;
        b = (b + word) * 0xC2B2'AE3D'27D4'EB4F + (a << 7);
      }
    };
    mix(this, offset_of_values);
    mix(values_.data(), used_ * sizeof(Stored));
    const std::uint64_t mixed = a ^ (b >> 29) ^ (b << 17);
    return mixed != 0 ? mixed : 1;
  }

  /// As much of `other` as is in use.
  void copy_from(const StaleMemory& other) {
    std::memcpy(static_cast<void*>(this), &other, offset_of_values + other.used_ * sizeof(Stored));
  }

 private:
  static std::size_t index(int number) { return static_cast<std::size_t>(number); }
  [[nodiscard]] int newest(int word) const { return count_[index(word)] - 1; }
  [[nodiscard]] const Stored& stored(int word, int number) const {
    return values_[index(first_[index(word)] + number)];
  }

  [[nodiscard]] int oldest(int thread, int word, std::memory_order order) const {
    const int seen = view_[index(thread)].at[index(word)];
    if (!is_full(order)) return seen;
    const int owed = owes_[index(thread)].at[index(word)], full = full_.at[index(word)];
    return (std::max)({seen, owed, full});
  }

  bool append(int thread, int word, std::uint16_t value, std::memory_order order, bool reads) {
    if (used_ == values_room) return false;
    View& view = view_[index(thread)];
    View& owes = owes_[index(thread)];
    const Stored read = stored(word, newest(word));
    const auto number = static_cast<std::uint8_t>(count_[index(word)]);
    Stored made{value, {}, {}, read.chain};
    if (is_full(order)) {  // what it acquires itself need not precede it in S
      made.chain.join(owes);
      made.chain.at[index(word)] = number;
    }
    if (reads && acquires(order)) {
      view.join(read.seen);
      owes.join(read.owed);
    }
    view.at[index(word)] = number;
    if (releases(order)) {
      made.seen = view;
      made.owed = owes;
    }
    if (reads) {
      made.seen.join(read.seen);
      made.owed.join(read.owed);
    }
    made.seen.at[index(word)] = number;
    if (is_full(order)) owes.join(made.chain);
    const int at = first_[index(word)] + number;
    std::copy_backward(values_.begin() + at, values_.begin() + used_, values_.begin() + used_ + 1);
    values_[index(at)] = made;
    ++used_;
    ++count_[index(word)];
    for (int later = word + 1; later < words_; ++later) ++first_[index(later)];
    return true;
  }

  std::array<std::uint8_t, View::room> first_, count_;
  std::uint8_t words_, used_;
  View full_;  // S
  View rung_;  // what the last to ring for a word had seen of it
  std::array<View, threads> view_, owes_;
  std::array<View, hand_overs> handed_, handed_owed_;
  std::array<Stored, values_room> values_;

  static constexpr std::size_t offset_of_values = 2 * View::room + 2 + View::room * (2 + 2 * threads + 2 * hand_overs);
};

}  // namespace explorer
