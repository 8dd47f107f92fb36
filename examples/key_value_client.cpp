// Calls one method of key_value_server and prints what it answers.
// usage: key_value_client CHANNEL get KEY | put KEY VALUE | erase KEY | list [PREFIX]
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "key_value.hpp"

namespace {

constexpr const char* usage = "usage: key_value_client CHANNEL get KEY | put KEY VALUE | erase KEY | list [PREFIX]";

Request parse(const std::vector<std::string>& words) {
  const std::string& method = words.at(0);
  if (method == "get" && words.size() == 2) return Get{words[1]};
  if (method == "put" && words.size() == 3) return Put{words[1], words[2]};
  if (method == "erase" && words.size() == 2) return Erase{words[1]};
  if (method == "list" && words.size() <= 2) return List{words.size() == 2 ? words[1] : ""};
  throw std::invalid_argument(usage);
}

void print(const Value& value) { std::puts(value ? value->c_str() : "(none)"); }
void print(const Keys& keys) {
  for (const std::string& key : keys) std::puts(key.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) throw std::invalid_argument(usage);
    KeyValue::Client client(argv[1]);
    const Reply reply = client.call(parse({argv + 2, argv + argc}), std::chrono::seconds(10))
                            .value();  // value() throws what went wrong
    std::visit([](const auto& answer) { print(answer); }, reply);
    return 0;
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "key_value_client: %s\n", exception.what());
    return 1;
  }
}
