// The system below the fake platform, in this process: named memory, who holds what, who sleeps on which word. A test
// orders its failures, looks at what was asked of it, and ends "processes". One for the whole program; World makes it
// anew for each test.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/name.hpp>

#include "support/fake/system_calls.hpp"

namespace test_support::fake {

class Kernel {
 public:
  static Kernel& instance() {
    static Kernel kernel;
    return kernel;
  }

  // ---- what tests order; an empty part stands for any ----

  // The call fails `times` times, after it has gone well `after` times.
  void fail(Op op, std::string_view part, Failure failure, unsigned times = 1, unsigned after = 0) {
    const std::lock_guard lock(mutex_);
    failures_.push_back({op, std::string(part), failure, times, after});
  }
  // Runs `action` in the place of the call's beginning, once, after `after` calls.
  void at(Op op, std::string_view part, std::function<void()> action, unsigned after = 0) {
    const std::lock_guard lock(mutex_);
    actions_.push_back({op, std::string(part), std::move(action), after});
  }

  std::atomic<int> spurious{0};               // so many waits return for no reason, as long as there are any
  std::atomic<bool> refuses_waits{false};     // waits are short rests, as where a sandbox forbids them
  std::atomic<bool> wakes_one_of_all{false};  // ring_all() wakes one, as an auto-reset event
  std::atomic<bool> is_child{false};          // this is a fork()ed child of what was made so far
  std::atomic<std::uint64_t> clock{1};
  std::atomic<std::uint64_t> next_random{1000};
  std::atomic<unsigned> expired_waits{0};  // that lasted until their deadlines
  std::string new_owner = "me";            // of what is made from now on

  // ---- what tests ask ----

  unsigned count(Op op, std::string_view part = "") {
    const std::lock_guard lock(mutex_);
    unsigned sum = 0;
    for (const auto& [key, count] : counts_) {
      if (key.first == op && (part.empty() || key.second == part)) sum += count;
    }
    return sum;
  }
  // How many threads sleep on the word. Not those that have been woken and only have not run yet.
  std::size_t sleepers(const Word& word) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        sleepers_.begin(), sleepers_.end(), [&](const Sleeper* one) { return !one->is_woken && one->watches(word); }));
  }
  std::shared_ptr<Memory> find(const std::string& object) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(object);
    return found != objects_.end() ? found->second : nullptr;
  }
  // What is left: names and living objects, but for what a killed server leaves to its successor. Empty if all is well.
  std::string leftovers() {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [name, memory] : objects_) {
      if (!orphaned_.contains(name)) text += name + ' ';
    }
    for (const auto& [name, holder] : holders_) text += name + " is held ";
    for (const auto& [generation, number] : leases_) text += "lease " + std::to_string(number) + ' ';
    static constexpr std::array<const char*, static_cast<std::size_t>(Kind::count)> kinds = {
        "memory", "name", "lease", "signal", "mutex", "beacon", "watch", "wait set", "notifier", "thread"};
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      if (const int left = living_[kind]; left != 0) text += std::to_string(left) + ' ' + kinds[kind] + ' ';
    }
    return text;
  }

  // ---- the system's side ----

  // Counts the call and does what was ordered for it.
  std::optional<Failure> enter(Op op, std::string_view part = "") {
    std::function<void()> action;
    std::optional<Failure> failure;
    {
      const std::lock_guard lock(mutex_);
      ++counts_[{op, std::string(part)}];
      if (Action* ordered = due(actions_, op, part)) {
        action = std::move(ordered->action);
        actions_.erase(actions_.begin() + (ordered - actions_.data()));
      }
      if (Ordered* ordered = due(failures_, op, part)) {
        failure = ordered->failure;
        if (--ordered->times == 0) failures_.erase(failures_.begin() + (ordered - failures_.data()));
      }
    }
    if (action) action();
    return failure;
  }

  // False: there is one already.
  bool add(const std::string& object, std::shared_ptr<Memory> memory) {
    const std::lock_guard lock(mutex_);
    memory->owner = new_owner;
    return objects_.emplace(object, std::move(memory)).second;
  }
  void remove(const std::string& object) {
    const std::lock_guard lock(mutex_);
    objects_.erase(object);
  }

  // Who serves a name: 0 is nobody.
  std::uint64_t hold_name(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (holders_.contains(name)) return 0;
    return holders_[name] = ++last_holder_;
  }
  bool holds_name(const std::string& name, std::uint64_t holder) {
    const std::lock_guard lock(mutex_);
    const auto found = holders_.find(name);
    return found != holders_.end() && found->second == holder;
  }
  void drop_name(const std::string& name) {
    const std::lock_guard lock(mutex_);
    holders_.erase(name);
  }

  // The holder's process ends: its record stays for a successor to remove.
  void end_holder(const std::string& name) {
    const std::lock_guard lock(mutex_);
    holders_.erase(name);
    orphaned_.insert(name);
  }

  bool take_lease(std::uint64_t generation, std::uint32_t number) {
    const std::lock_guard lock(mutex_);
    return leases_.emplace(generation, number).second;
  }
  void drop_lease(std::uint64_t generation, std::uint32_t number) {
    const std::lock_guard lock(mutex_);
    leases_.erase({generation, number});
  }
  bool is_leased(std::uint64_t generation, std::uint32_t number) {
    const std::lock_guard lock(mutex_);
    return leases_.contains({generation, number});
  }

  // True: woken, or a word has changed. False: the deadline.
  bool sleep(std::initializer_list<Watched> words, Deadline& deadline) {
    return sleep(std::vector<Watched>(words), deadline);
  }
  bool sleep(std::vector<Watched> words, Deadline& deadline) {
    if (spurious > 0 && spurious-- > 0) return true;
    if (refuses_waits) {
      std::this_thread::sleep_for(std::min<nanoseconds>(deadline.remaining(), std::chrono::milliseconds(1)));
      return !deadline.passed();
    }
    Sleeper me{std::move(words)};
    std::unique_lock lock(mutex_);
    if (me.has_changed()) return true;
    sleepers_.push_back(&me);
    while (!me.is_woken && !deadline.passed())
      woken_.wait_for(lock, std::min<nanoseconds>(deadline.remaining(), std::chrono::milliseconds(100)));
    sleepers_.erase(std::find(sleepers_.begin(), sleepers_.end(), &me));
    if (!me.is_woken) ++expired_waits;
    return me.is_woken;
  }
  void wake(const Word& word, int most) {
    const std::lock_guard lock(mutex_);
    for (Sleeper* sleeper : sleepers_) {
      if (most <= 0) break;
      if (sleeper->is_woken || !sleeper->watches(word)) continue;
      sleeper->is_woken = true;
      --most;
    }
    woken_.notify_all();
  }
  static constexpr int everyone = 1'000'000;

  void count_living(Kind kind, int change) noexcept { living_[static_cast<std::size_t>(kind)] += change; }

  // For World.
  void start_anew() {
    const std::lock_guard lock(mutex_);
    failures_.clear();
    actions_.clear();
    counts_.clear();
    objects_.clear();
    holders_.clear();
    orphaned_.clear();
    leases_.clear();
    spurious = 0;
    refuses_waits = wakes_one_of_all = is_child = false;
    clock = 1;
    expired_waits = 0;
    new_owner = "me";
  }

 private:
  struct Ordered {
    Op op;
    std::string part;
    Failure failure;
    unsigned times;
    unsigned after;
  };
  struct Action {
    Op op;
    std::string part;
    std::function<void()> action;
    unsigned after;
  };
  struct Sleeper {
    bool watches(const Word& word) const noexcept {
      return std::any_of(words.begin(), words.end(), [&](const Watched& one) { return one.word == &word; });
    }
    bool has_changed() const noexcept {
      return std::any_of(words.begin(), words.end(), [](const Watched& one) { return one.word->load() != one.seen; });
    }
    std::vector<Watched> words;
    bool is_woken = false;
  };

  // The first order for such a call whose time has come.
  template <class Order>
  static Order* due(std::vector<Order>& orders, Op op, std::string_view part) {
    for (Order& order : orders) {
      if (order.op != op || (!order.part.empty() && order.part != part)) continue;
      if (order.after == 0) return &order;
      --order.after;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable woken_;
  std::vector<Ordered> failures_;
  std::vector<Action> actions_;
  std::map<std::pair<Op, std::string>, unsigned> counts_;
  std::map<std::string, std::shared_ptr<Memory>> objects_;
  std::map<std::string, std::uint64_t> holders_;
  std::uint64_t last_holder_ = 0;
  std::set<std::string> orphaned_;  // names whose holders' processes have ended
  std::set<std::pair<std::uint64_t, std::uint32_t>> leases_;
  std::vector<Sleeper*> sleepers_;
  std::array<std::atomic<int>, static_cast<std::size_t>(Kind::count)> living_{};
};

inline Kernel& kernel() { return Kernel::instance(); }

// Counts the objects of a class that live.
template <Kind kind>
class Living {
 public:
  Living() noexcept { kernel().count_living(kind, 1); }
  Living(const Living&) noexcept : Living() {}
  Living& operator=(const Living&) noexcept { return *this; }
  ~Living() { kernel().count_living(kind, -1); }
};

inline Error error_of(const Names& names, const char* what, const Failure& failure) {
  return names.error(failure.code, std::string("the fake system refused: ") + what, failure.native);
}

}  // namespace test_support::fake
