// What stale.hpp's memory allows, on the programs by which memory models are told apart.
#include "support/catch.hpp"

#include <set>
#include <string>
#include <vector>

#include "stale.hpp"

using explorer::StaleMemory;

namespace {

struct Step {
  enum Kind { load, store, add, fence } kind;
  int word = 0;
  std::memory_order order = std::memory_order_seq_cst;
  std::uint16_t value = 1;  // to be stored
};
using Program = std::vector<std::vector<Step>>;  // of each thread

constexpr auto relaxed = std::memory_order_relaxed, acquire = std::memory_order_acquire,
               release = std::memory_order_release, full = std::memory_order_seq_cst;
constexpr int x = 0, y = 1, z = 2;

constexpr Step load(int word, std::memory_order order) { return {Step::load, word, order}; }
constexpr Step store(int word, std::memory_order order, std::uint16_t value = 1) {
  return {Step::store, word, order, value};
}
constexpr Step add(int word, std::memory_order order) { return {Step::add, word, order}; }
constexpr Step fence{Step::fence};

/// What the loads and additions read in every history, thread by thread, if they read at all.
class Outcomes {
 public:
  explicit Outcomes(const Program& program) : program_(program) {
    StaleMemory memory{};
    memory.begin(3);
    go_on(memory, std::vector<std::size_t>(program.size()), std::vector<std::string>(program.size()));
  }
  [[nodiscard]] bool have(const std::string& outcome) const { return seen_.count(outcome) != 0; }

 private:
  void go_on(const StaleMemory& memory, const std::vector<std::size_t>& at, const std::vector<std::string>& read) {
    bool is_end = true;
    for (std::size_t i = 0; i < program_.size(); ++i) {
      if (at[i] == program_[i].size()) continue;
      is_end = false;
      const Step step = program_[i][at[i]];
      const int thread = static_cast<int>(i);
      const int choices = step.kind == Step::load ? memory.readable(thread, step.word, step.order) : 1;
      for (int back = 0; back < choices; ++back) {
        StaleMemory next = memory;
        auto next_at = at;
        auto next_read = read;
        ++next_at[i];
        const auto reads = [&](int value) { next_read[i] += static_cast<char>('0' + value); };
        switch (step.kind) {
          case Step::load:
            reads(next.load(thread, step.word, step.order, back));
            break;
          case Step::store:
            next.store(thread, step.word, step.value, step.order);
            break;
          case Step::add:
            reads(next.peek(step.word, 0));
            next.modify(thread, step.word, static_cast<std::uint16_t>(next.peek(step.word, 0) + 1), step.order);
            break;
          case Step::fence:
            next.fence(thread);
            break;
        }
        next.tidy(
            100, [&](int number) { return number < static_cast<int>(program_.size()); }, [](int) { return false; });
        go_on(next, next_at, next_read);
      }
    }
    if (!is_end) return;
    std::string outcome;
    for (const std::string& of_thread : read) {
      if (!of_thread.empty()) outcome += (outcome.empty() ? "" : " ") + of_thread;
    }
    seen_.insert(outcome);
  }

  Program program_;
  std::set<std::string> seen_;
};

bool allows(const Program& program, const std::string& outcome) { return Outcomes(program).have(outcome); }

}  // namespace

TEST_CASE("stale memory: store buffering") {
  const auto program = [](std::memory_order stores, std::memory_order loads) {
    return Program{{store(x, stores), load(y, loads)}, {store(y, stores), load(x, loads)}};
  };
  CHECK(allows(program(relaxed, relaxed), "0 0"));
  CHECK(allows(program(release, acquire), "0 0"));
  CHECK(allows(program(release, full), "0 0"));
  CHECK(allows(program(full, acquire), "0 0"));
  CHECK_FALSE(allows(program(full, full), "0 0"));
  const std::vector<Step> fenced{store(x, relaxed), fence, load(y, relaxed)};
  CHECK_FALSE(allows({fenced, {store(y, relaxed), fence, load(x, relaxed)}}, "0 0"));
  CHECK(allows({fenced, {store(y, relaxed), load(x, relaxed)}}, "0 0"));
  CHECK_FALSE(allows({fenced, {store(y, full), load(x, full)}}, "0 0"));
  CHECK_FALSE(allows({{add(x, full), fence, load(y, acquire)}, {store(y, full), load(x, full)}}, "00 0"));
}

TEST_CASE("stale memory: messages") {
  const auto program = [](std::memory_order stores, std::memory_order loads) {
    return Program{{store(x, relaxed), store(y, stores)}, {load(y, loads), load(x, relaxed)}};
  };
  CHECK(allows(program(relaxed, acquire), "10"));
  CHECK(allows(program(release, relaxed), "10"));
  CHECK_FALSE(allows(program(release, acquire), "10"));
  CHECK_FALSE(allows(program(full, full), "10"));
  CHECK(allows(program(release, acquire), "00"));
  // through a third thread, and through an addition that does not release
  CHECK_FALSE(allows({{store(x, relaxed), store(y, release)},
                      {load(y, acquire), store(z, release)},
                      {load(z, acquire), load(x, relaxed)}},
                     "1 10"));
  CHECK_FALSE(allows({{store(x, relaxed), store(y, release)}, {add(y, relaxed)}, {load(y, acquire), load(x, relaxed)}},
                     "1 20"));
}

TEST_CASE("stale memory: one word has one order") {
  CHECK_FALSE(allows({{store(x, relaxed)}, {load(x, relaxed), load(x, relaxed)}}, "10"));
  CHECK_FALSE(allows({{store(x, relaxed), load(x, relaxed)}}, "0"));
  CHECK_FALSE(allows({{add(x, relaxed)}, {add(x, relaxed)}}, "0 0"));
}

TEST_CASE("stale memory: independent stores") {
  const auto program = [](std::memory_order stores, std::memory_order loads) {
    return Program{
        {store(x, stores)}, {store(y, stores)}, {load(x, loads), load(y, loads)}, {load(y, loads), load(x, loads)}};
  };
  CHECK(allows(program(release, acquire), "10 10"));
  CHECK_FALSE(allows(program(full, full), "10 10"));
  CHECK_FALSE(allows({{store(x, relaxed)},
                      {store(y, relaxed)},
                      {load(x, relaxed), fence, load(y, relaxed)},
                      {load(y, relaxed), fence, load(x, relaxed)}},
                     "10 10"));
}

TEST_CASE("stale memory: who knows of a store need not follow it in the one order") {
  // The second thread has acquired what the first stored, and yet looks at z before that.
  const auto program = [](std::memory_order look) {
    return Program{{store(x, full)}, {load(x, look), load(z, full)}, {store(z, full), load(x, full)}};
  };
  CHECK(allows(program(acquire), "10 0"));
  CHECK_FALSE(allows(program(full), "10 0"));
  CHECK(
      allows({{store(x, full)}, {load(x, acquire), load(z, full)}, {store(z, full), fence, load(x, acquire)}}, "10 0"));
  CHECK_FALSE(
      allows({{store(x, full)}, {load(x, full), load(z, full)}, {store(z, full), fence, load(x, acquire)}}, "10 0"));
  // Whom a release of the same thread led there does follow it,
  CHECK_FALSE(
      allows({{store(x, full), store(y, release)}, {load(y, acquire), load(z, full)}, {store(z, full), load(x, full)}},
             "10 0"));
  // but for what acquires that release itself.
  const auto passed_over = [](std::memory_order stores) {
    return Program{
        {store(x, full), store(y, stores)}, {add(y, full), load(y, relaxed)}, {store(y, full, 5), load(x, full)}};
  };
  CHECK(allows(passed_over(release), "15 0"));
  CHECK_FALSE(allows(passed_over(full), "15 0"));
}
