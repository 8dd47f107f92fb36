// Random histories of a plan that has too many states to visit them all.
//
// A search that is cut has seen one corner of such a plan: depth first, it never comes back to what went before its
// last decisions. Each walk begins anew, so that all of them together see a little of everything.
//
// What happens next is drawn among everything that may. Walks differ in how long they keep to one thread, because some
// mistakes show only if one runs far while another stands; and in how rare is what only may happen (a death, a
// deadline), so that it comes early in some and late in others.
//
// One seed gives the same walks everywhere, unless a compiler evaluates operands in another order.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "explore.hpp"

namespace explorer {

class Walker {
 public:
  Walker(const Plan& its_plan, std::uint64_t seed) : random_(seed) {
    begin(its_plan);
    first_ = machine.state;
    first_memory_.copy_from(machine.stale);
  }

  /// Walks until about `steps` steps are made, or one of them is wrong.
  Findings run(std::size_t steps) {
    while (findings_.transitions < steps && findings_.violation.empty()) walk();
    if (!findings_.violation.empty()) tell();
    return findings_;
  }

 private:
  /// No history is as long if everybody gets on: the longest that the search has found have a few hundred events.
  static constexpr std::size_t longest = 20'000;

  static constexpr std::size_t most_switches = 4, least_length = 50;

  struct Event {
    Kind kind;
    int thread;
  };
  class Events {
   public:
    void clear() { count_ = 0; }
    void add(Event event) { event_[count_++] = event; }
    [[nodiscard]] bool has_any() const { return count_ != 0; }
    Event take(std::size_t at) {
      const Event taken = event_[at];
      event_[at] = event_[--count_];
      return taken;
    }
    Event draw(Random& random) { return take(random.below(static_cast<std::uint32_t>(count_))); }
    /// The first for which `is_wanted`, or count().
    template <class IsWanted>
    [[nodiscard]] std::size_t find(IsWanted is_wanted) const {
      std::size_t at = 0;
      while (at < count_ && !is_wanted(event_[at])) ++at;
      return at;
    }
    template <class Rank>
    [[nodiscard]] std::size_t find_highest(Rank rank) const {
      std::size_t highest = 0;
      for (std::size_t at = 1; at < count_; ++at)
        if (rank(event_[at]) > rank(event_[highest])) highest = at;
      return highest;
    }
    [[nodiscard]] std::size_t count() const { return count_; }

   private:
    std::array<Event, std::size_t{kinds} * max_threads> event_;
    std::size_t count_ = 0;
  };
  struct Told {
    State before;
    Event event;
  };

  void walk() {
    ++findings_.walks;
    machine.state = first_;
    machine.stale.copy_from(first_memory_);
    const std::size_t length = walked_.size();
    walked_.clear();
    last_ = 0;
    loyalty_ = 1u << random_.below(6);
    rarity_ = 4u << random_.below(6);
    has_ranks_ = random_.below(2) == 0;
    if (has_ranks_) draw_ranks(length);
    while (goes_on()) {
      ++findings_.transitions;
      if (machine.violation != nullptr) findings_.violation = machine.violation;
      if (walked_.size() == longest) findings_.violation = "a history does not end";
      if (!findings_.violation.empty()) break;
    }
    findings_.deepest = (std::max)(findings_.deepest, walked_.size());
  }

  /// False: nothing more happens in this walk.
  bool goes_on() {
    if (is_stale()) {
      tidy();
      memory_here_.copy_from(machine.stale);
    }
    if (has_ranks_) lower_rank_if_due();
    const State here = machine.state;
    steps_.clear();
    others_.clear();
    for (int kind = 0; kind < kinds; ++kind) {
      for (int thread = 0; thread < thread_count(); ++thread) {
        const Event event{static_cast<Kind>(kind), thread};
        if (is_possible(here, event.kind, thread)) (is_step(event.kind) ? steps_ : others_).add(event);
      }
    }
    if (others_.has_any() && random_.below(rarity_) == 0 && happens_in(here, others_.draw(random_))) return true;
    while (steps_.has_any()) {
      if (happens_in(here, draw_step())) return true;
    }
    ++findings_.ends;
    if (const char* const violation = judge_end(here)) findings_.violation = violation;
    if (!findings_.violation.empty() || random_.below(2) == 0) return false;
    while (others_.has_any()) {
      if (happens_in(here, others_.draw(random_))) return true;
    }
    return false;
  }

  // ---- ranks ----
  [[nodiscard]] std::uint32_t& rank_of(Event event) {
    return rank_[static_cast<std::size_t>(event.kind) * max_threads + static_cast<std::size_t>(event.thread)];
  }
  void draw_ranks(std::size_t length) {
    lowest_ = 1'000;
    for (std::uint32_t& rank : rank_) rank = lowest_ + random_.below(1'000'000);
    switches_ = random_.below(most_switches + 1);
    for (std::size_t i = 0; i < switches_; ++i)
      switch_at_[i] = random_.below(static_cast<std::uint32_t>((std::max)(length, least_length)));
  }
  void lower_rank_if_due() {
    for (std::size_t i = 0; i < switches_; ++i) {
      if (switch_at_[i] == walked_.size()) rank_of({step, last_}) = --lowest_;
    }
  }

  Event draw_step() {
    if (has_ranks_) return steps_.take(steps_.find_highest([this](Event event) { return rank_of(event); }));
    const std::size_t own = steps_.find([this](Event event) { return event.kind == step && event.thread == last_; });
    if (own < steps_.count() && random_.below(loyalty_) != 0) return steps_.take(own);
    return steps_.draw(random_);
  }

  /// With an outcome that is drawn; or, if the thread is blocked in that, with the first one in which it is not.
  bool happens_in(const State& here, Event event) {
    Choices drawn;
    drawn.draw_with(random_);
    bool has_happened = happens_with(here, event, drawn);
    if (!has_happened) {
      Choices every;
      do {
        has_happened = happens_with(here, event, every);
        every = machine.choices;
      } while (!has_happened && every.next());
    }
    if (!has_happened) return false;
    last_ = event.thread;
    walked_.push_back({here, event});
    return true;
  }
  bool happens_with(const State& here, Event event, const Choices& choices) {
    machine.state = here;
    if (is_stale()) machine.stale.copy_from(memory_here_);
    machine.violation = nullptr;
    machine.choices = choices;
    machine.choices.begin();
    return happens(event.kind, event.thread);
  }

  void tell() {
    for (const Told& told : walked_)
      findings_.history.push_back(line_of(told.before, told.event.kind, told.event.thread));
  }

  Random random_;
  State first_;
  StaleMemory first_memory_, memory_here_;
  Events steps_, others_;  // that may happen now
  std::vector<Told> walked_;
  int last_ = 0;
  std::uint32_t loyalty_ = 1, rarity_ = 1;
  bool has_ranks_ = false;
  std::array<std::uint32_t, std::size_t{kinds} * max_threads> rank_{};
  std::uint32_t lowest_ = 0;
  std::array<std::size_t, most_switches> switch_at_{};
  std::size_t switches_ = 0;
  Findings findings_;
};

}  // namespace explorer
