// What calculator_server and calculator_client agree on.
#pragma once

#include <shared_channel/shared_channel.hpp>

struct Question {
  double left;
  double right;
  char operation;  // one of + - * /
};

struct Answer {
  double value;
};

using Calculator = shared_channel::SharedChannel<Question, Answer>;
