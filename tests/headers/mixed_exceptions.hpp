#pragma once

#include <shared_channel/shared_channel.hpp>

#include <functional>

// The same types in a unit with exceptions and in one without.
struct Number {
  int value;
};
using Numbers = shared_channel::SharedChannel<Number>;
using Handler = std::function<Number(const Number&)>;

bool answers_without_exceptions();
