// What key_value_server and key_value_client agree on: one struct a method, one variant for all of them.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <shared_channel/shared_channel.hpp>

struct Get {
  std::string key;
};
struct Put {
  std::string key, value;
};
struct Erase {
  std::string key;
};
struct List {
  std::string prefix;
};
using Request = std::variant<Get, Put, Erase, List>;

using Value = std::optional<std::string>;  // Get: the key's value. Put and Erase: the one before.
using Keys = std::vector<std::string>;     // List
using Reply = std::variant<Value, Keys>;

using KeyValue = shared_channel::SharedChannel<Request, Reply>;
