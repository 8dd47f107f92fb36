// The handlers that run on a thread, also where they do not end in the order of their beginning.
#include "support/catch.hpp"

#include <shared_channel/detail/base/handler_scope.hpp>

#include <optional>

namespace handler_scope_test {

using shared_channel::detail::HandlerScope;

namespace {

// Tells a fork()ed child.
struct Mark {
  [[nodiscard]] bool in_child() const noexcept { return is_child; }
  bool is_child = false;
};

}  // namespace

TEST_CASE("handler scope: a thread serves from a handler's beginning to its end") {
  const Mark mark;
  CHECK_FALSE(HandlerScope::serves(1));
  {
    const HandlerScope outer(mark, 1);
    const HandlerScope inner(mark, 2);
    CHECK(HandlerScope::serves(1));
    CHECK(HandlerScope::serves(2));
  }
  CHECK_FALSE(HandlerScope::serves(1));
  CHECK_FALSE(HandlerScope::serves(2));
}

TEST_CASE("handler scope: handlers on a program's fibers end in any order") {
  const Mark mark;
  std::optional<HandlerScope> first, second, third;
  first.emplace(mark, 1);
  second.emplace(mark, 2);
  third.emplace(mark, 3);
  second.reset();
  CHECK(HandlerScope::serves(1));
  CHECK_FALSE(HandlerScope::serves(2));
  CHECK(HandlerScope::serves(3));
  first.reset();
  CHECK_FALSE(HandlerScope::serves(1));
  CHECK(HandlerScope::serves(3));
  third.reset();
  CHECK_FALSE(HandlerScope::serves(3));
}

TEST_CASE("handler scope: in a handler's child the parent serves") {
  Mark mark;
  const HandlerScope parent(mark, 1);
  mark.is_child = true;
  CHECK_FALSE(HandlerScope::serves(1));
  const Mark here;
  const HandlerScope own(here, 2);
  CHECK_FALSE(HandlerScope::serves(1));
  CHECK(HandlerScope::serves(2));
}

}  // namespace handler_scope_test
