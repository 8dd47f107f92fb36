// The handlers that run on a thread, also where they do not end in the order of their beginning.
#include "support/catch.hpp"

#include <shared_channel/detail/base/handler_scope.hpp>

#include <optional>

namespace handler_scope_test {

using shared_channel::detail::HandlerScope;

TEST_CASE("handler scope: a thread serves from a handler's beginning to its end") {
  CHECK_FALSE(HandlerScope::serves(1));
  {
    const HandlerScope outer(1);
    const HandlerScope inner(2);
    CHECK(HandlerScope::serves(1));
    CHECK(HandlerScope::serves(2));
  }
  CHECK_FALSE(HandlerScope::serves(1));
  CHECK_FALSE(HandlerScope::serves(2));
}

TEST_CASE("handler scope: handlers on a program's fibers end in any order") {
  std::optional<HandlerScope> first, second, third;
  first.emplace(1);
  second.emplace(2);
  third.emplace(3);
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

}  // namespace handler_scope_test
