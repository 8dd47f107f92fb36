// Messages of Protocol Buffers through a channel: one Codec for all of them.
// usage: protobuf serve [CHANNEL]
//        protobuf BEGINNING_OF_A_NAME [CHANNEL]
#include <chrono>
#include <concepts>
#include <cstdio>
#include <stdexcept>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "phone_book.pb.h"

template <std::derived_from<google::protobuf::MessageLite> Message>
struct shared_channel::Codec<Message> {
  static std::size_t size(const Message& message) { return message.ByteSizeLong(); }
  static void encode(const Message& message, std::span<std::byte> out) {
    if (!message.SerializeToArray(out.data(), static_cast<int>(out.size())))
      throw std::runtime_error("a required field is missing");
  }
  static std::optional<Message> decode(std::span<const std::byte> in) {
    std::optional<Message> message(std::in_place);
    if (!message->ParseFromArray(in.data(), static_cast<int>(in.size()))) message.reset();
    return message;
  }
};

using phone_book::People;
using phone_book::Query;
using PhoneBook = shared_channel::SharedChannel<Query, People>;

namespace {

People everybody() {
  People people;
  const auto add = [&](const char* name, std::initializer_list<const char*> numbers) {
    auto& person = *people.add_people();
    person.set_name(name);
    for (const char* number : numbers) person.add_numbers(number);
  };
  add("Ada", {"1815", "1852"});
  add("Alan", {"1912"});
  add("Grace", {});
  return people;
}

int serve(const std::string& channel) {
  PhoneBook::Server server(channel);
  std::puts("serving");
  std::fflush(stdout);
  const People all = everybody();
  const auto end = server.serve([&](const Query& query, People& found) {
    for (const auto& person : all.people()) {
      if (person.name().starts_with(query.name_begins())) *found.add_people() = person;
    }
  });
  return end ? 0 : 1;
}

int ask(const std::string& name, const std::string& channel) {
  Query query;
  query.set_name_begins(name);
  PhoneBook::Client client(channel);
  const auto found = client.call(query, std::chrono::seconds(10));
  if (!found) {
    std::fprintf(stderr, "protobuf: %s\n", found.error().message().c_str());
    return 1;
  }
  for (const auto& person : found->people()) {
    std::printf("%s:", person.name().c_str());
    for (const auto& number : person.numbers()) std::printf(" %s", number.c_str());
    std::puts("");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::string channel = argc > 2 ? argv[2] : "phone_book";
  return what == "serve" ? serve(channel) : ask(what, channel);
}
