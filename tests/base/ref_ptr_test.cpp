#include "support/catch.hpp"

#include <shared_channel/detail/base/ref_ptr.hpp>

#include <cstdint>
#include <utility>

namespace ref_ptr_test {

using shared_channel::detail::RefCounted;
using shared_channel::detail::RefPtr;

namespace {

struct Counted : RefCounted {
  explicit Counted(int& count) : alive(count) { ++alive; }
  ~Counted() { --alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  int& alive;
};

using Pointer = RefPtr<Counted>;

}  // namespace

TEST_CASE("ref ptr: the object lives as long as any of its holders") {
  int alive = 0;
  {
    Pointer first(new Counted(alive));
    CHECK(first.holders() == 1);
    {
      const Pointer second = first;
      CHECK(second.get() == first.get());
      CHECK(&*second == second.operator->());
      CHECK(first.holders() == 2);
    }
    CHECK(first.holders() == 1);
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
}

TEST_CASE("ref ptr: one that is moved hands its share on") {
  int alive = 0;
  Pointer first(new Counted(alive));
  Pointer second = std::move(first);
  CHECK_FALSE(first);
  CHECK(second.holders() == 1);
  first = std::move(second);
  CHECK_FALSE(second);
  CHECK(first.holders() == 1);
  CHECK(alive == 1);
}

TEST_CASE("ref ptr: an assignment gives back what was held, and keeps what it is given") {
  int alive = 0, others = 0;
  Pointer one(new Counted(alive));
  Pointer other(new Counted(others));
  const Pointer& itself = one;
  one = itself;
  CHECK(alive == 1);
  CHECK(one.holders() == 1);
  one = other;
  CHECK(alive == 0);
  CHECK(other.holders() == 2);
  one = nullptr;
  CHECK_FALSE(one);
  CHECK(other.holders() == 1);
  other = nullptr;
  CHECK(others == 0);
}

TEST_CASE("ref ptr: of nothing there are copies, too") {
  const Pointer none;
  const Pointer copy = none;
  CHECK_FALSE(copy);
  CHECK(copy.get() == nullptr);
  CHECK_FALSE(Pointer(nullptr));
  CHECK_FALSE(Pointer(static_cast<Counted*>(nullptr)));
}

TEST_CASE("ref ptr: one that forgets leaves its share to nobody") {
  int alive = 0;
  const auto object = new Counted(alive);
  {
    const Pointer stays(object);
    {
      Pointer child = stays;
      child.forget();
      CHECK_FALSE(child);
    }
    CHECK(stays.holders() == 2);
  }
  REQUIRE(alive == 1);
  delete object;
}

TEST_CASE("ref ptr: what is kept outlives its holders") {
  int alive = 0;
  const auto object = new Counted(alive);
  {
    const Pointer holder(object);
    holder.keep();
    CHECK(holder.holders() == 2);
    const Pointer last = holder;
  }
  REQUIRE(alive == 1);
  delete object;
}

}  // namespace ref_ptr_test
