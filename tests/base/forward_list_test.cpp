#include "support/catch.hpp"

#include <shared_channel/detail/base/forward_list.hpp>

#include <utility>
#include <vector>

namespace forward_list_test {

using shared_channel::detail::ForwardList;

namespace {

struct Counted {
  Counted(int id, int& count) : number(id), alive(count) { ++alive; }
  ~Counted() { --alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  int number;
  int& alive;
};

using List = ForwardList<Counted>;

std::vector<int> numbers_in(const List& list) {
  std::vector<int> numbers;
  for (const Counted& element : list) numbers.push_back(element.number);
  return numbers;
}

}  // namespace

TEST_CASE("forward list: the last element comes first, and each stays where it is") {
  int alive = 0;
  List list;
  CHECK(numbers_in(list).empty());
  const Counted& one = list.emplace(1, alive);
  list.emplace(2, alive);
  list.emplace(3, alive);
  CHECK(numbers_in(list) == std::vector{3, 2, 1});
  CHECK(one.number == 1);
  int seen = 0;
  for (const Counted& element : list) seen += &element == &one;
  CHECK(seen == 1);
}

TEST_CASE("forward list: the first, the last and one between are taken out, and the others stay") {
  int alive = 0;
  List list;
  std::vector<Counted*> made;
  for (int number = 1; number <= 5; ++number) made.push_back(&list.emplace(number, alive));
  list.erase(*made[4]);
  CHECK(numbers_in(list) == std::vector{4, 3, 2, 1});
  list.erase(*made[0]);
  CHECK(numbers_in(list) == std::vector{4, 3, 2});
  list.erase(*made[2]);
  CHECK(numbers_in(list) == std::vector{4, 2});
  CHECK(alive == 2);
  list.erase(*made[3]);
  list.erase(*made[1]);
  CHECK(numbers_in(list).empty());
  CHECK(alive == 0);
}

TEST_CASE("forward list: an element in no list lives, may be put into one, and goes with whoever has it") {
  int alive = 0;
  {
    List list;
    list.emplace(1, alive);
    List::Loose loose = List::make(2, alive);
    const Counted* const place = &loose->value;
    CHECK(numbers_in(list) == std::vector{1});
    Counted& two = list.put(std::move(loose));
    CHECK(&two == place);
    CHECK(numbers_in(list) == std::vector{2, 1});
    {
      const List::Loose taken = list.take_out(two);
      CHECK(&taken->value == place);
      CHECK(numbers_in(list) == std::vector{1});
      CHECK(alive == 2);
    }
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
}

TEST_CASE("forward list: its elements go with it") {
  int alive = 0;
  {
    List list;
    for (int number = 1; number <= 3; ++number) list.emplace(number, alive);
    CHECK(alive == 3);
  }
  CHECK(alive == 0);
}

}  // namespace forward_list_test
