// docs/protocol.md is what a client in another language is written from: its tables say what layout.hpp says.
#include "support/catch.hpp"

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/error.hpp>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "support/error_codes.hpp"

namespace protocol_page_test {

using namespace shared_channel::detail;

namespace {

// The page beside this source; empty where the sources are not at hand.
std::string page() {
  std::string path = __FILE__;
  path.erase(path.find("tests/protocol/"));
  std::ifstream file(path + "docs/protocol.md");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What stands between a heading and the next one.
std::string section(const std::string& text, const std::string& heading) {
  const auto begin = text.find(heading);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find("\n#", begin + heading.size()) - begin);
}

struct Row {
  std::size_t offset;
  std::size_t size;
  const char* field;
};

void check_rows(const std::string& table, std::initializer_list<Row> rows) {
  REQUIRE_FALSE(table.empty());
  for (const Row& row : rows) {
    const std::string line =
        "| " + std::to_string(row.offset) + " | " + std::to_string(row.size) + " | " + std::string(row.field);
    INFO(line);
    CHECK(table.find(line) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("protocol page: its tables are the layout's") {
  const std::string text = page();
  if (text.empty()) SKIP_TEST("the sources are not where they were compiled");
  const std::string version = std::to_string(abi_version);
  CHECK(text.find("This is protocol version " + version + ".") != std::string::npos);

  const std::string says_version = "version | " + version;
  check_rows(section(text, "## 2. The rendezvous record"), {{offsetof(Rendezvous, magic), 8, "magic"},
                                                            {offsetof(Rendezvous, version), 4, says_version.c_str()},
                                                            {offsetof(Rendezvous, reserved), 4, "reserved"},
                                                            {offsetof(Rendezvous, generation), 8, "generation"},
                                                            {offsetof(Rendezvous, announced), 8, "announced"}});

  const std::string names_version = "version: " + version;
  const std::size_t shape = offsetof(Identity, shape);
  const std::size_t counted = offsetof(ServerPage, statistics);
  check_rows(
      section(text, "### Server page, " + std::to_string(server_page_bytes) + " bytes"),
      {{offsetof(Identity, magic), 8, "magic"},
       {offsetof(Identity, version), 4, names_version.c_str()},
       {offsetof(Identity, slot_count), 4, "slots"},
       {offsetof(Identity, total_bytes), 8, "total_bytes"},
       {offsetof(Identity, generation), 8, "generation"},
       {shape + offsetof(Shape, request_size), 4, "request_size"},
       {shape + offsetof(Shape, request_align), 4, "request_align"},
       {shape + offsetof(Shape, reply_size), 4, "reply_size"},
       {shape + offsetof(Shape, reply_align), 4, "reply_align"},
       {shape + offsetof(Shape, framing), 4, "framing"},
       {offsetof(Identity, server_birth), 8, "server_birth"},
       {offsetof(Identity, server_process), 4, "server_process"},
       {offsetof(Identity, flags), 4, "flags"},
       {offsetof(Identity, clock_id), 8, "clock_id"},
       {offsetof(ServerPage, service), 4, "service"},
       {offsetof(ServerPage, alive), 4, "alive"},
       {offsetof(ServerPage, statistics), sizeof(Statistics), "statistics"},
       {counted + offsetof(Statistics, done), 8, "done"},
       {counted + offsetof(Statistics, failed), 8, "failed"},
       {counted + offsetof(Statistics, refused), 8, "refused"},
       {counted + offsetof(Statistics, withdrawn), 8, "withdrawn"},
       {counted + offsetof(Statistics, abandoned), 8, "abandoned"},
       {counted + offsetof(Statistics, malformed), 8, "malformed"},
       {counted + offsetof(Statistics, damaged), 8, "damaged"},
       {counted + offsetof(Statistics, as_of), 8, "as_of"},
       {counted + offsetof(Statistics, reserved), sizeof(Statistics::reserved), "reserved"},
       {offsetof(ServerPage, request), 4, "length of the request's description"},
       {offsetof(ServerPage, request) + offsetof(Description, text), Description::capacity, "request's description"},
       {offsetof(ServerPage, reply), 4, "length of the reply's description"},
       {offsetof(ServerPage, reply) + offsetof(Description, text), Description::capacity, "reply's description"}});

  check_rows(section(text, "### Header, " + std::to_string(sizeof(Header)) + " bytes"),
             {{offsetof(SegmentMark, magic), 8, "magic"},
              {offsetof(SegmentMark, version), 4, names_version.c_str()},
              {offsetof(SegmentMark, generation), 8, "generation"},
              {offsetof(Header, exec) + offsetof(DoorbellWords, sequence), 4, "exec.sequence"},
              {offsetof(Header, exec) + offsetof(DoorbellWords, sleepers), 4, "exec.sleepers"},
              {offsetof(Header, high_water), 4, "high_water"},
              {offsetof(Header, client_mutex), 4, "client_mutex"},
              {offsetof(Header, slot_freed) + offsetof(SlotFreed, sequence), 4, "slot_freed.sequence"},
              {offsetof(Header, slot_freed) + offsetof(SlotFreed, announced), 4, "slot_freed.announced"},
              {offsetof(Header, slot_freed) + offsetof(SlotFreed, starving), 4, "slot_freed.starving"},
              {offsetof(Header, next_client), 4, "next_client"}});

  check_rows(section(text, "### Slot, " + std::to_string(sizeof(Slot)) + " bytes"),
             {{offsetof(Slot, owner), 4, "owner"},
              {offsetof(Slot, process), 4, "process"},
              {offsetof(Slot, deadline), 8, "deadline"},
              {offsetof(Slot, timeout), 8, "timeout"},
              {offsetof(Slot, last), 4, "last"},
              {offsetof(Slot, passed_on), 4, "passed_on"},
              {offsetof(Slot, place), 4, "place"},
              {offsetof(Slot, taken), 4, "taken"},
              {offsetof(Slot, text), text_capacity, "text"},
              {offsetof(Slot, request), 4, "request"},
              {offsetof(Slot, reply), 4, "reply"},
              {offsetof(Slot, length), 4, "length"},
              {offsetof(Slot, before), 4, "before"},
              {offsetof(Slot, inline_bytes), inline_capacity, "inline bytes"}});
}

TEST_CASE("protocol page: its magic numbers are the library's") {
  const std::string text = page();
  if (text.empty()) SKIP_TEST("the sources are not where they were compiled");
  const auto states = [&text](const std::string& heading, std::uint64_t magic, const char* in_memory) {
    std::ostringstream words;
    words << "`0x" << std::hex << std::uppercase << magic << "`, \"" << in_memory << '"';
    INFO(words.str());
    CHECK(section(text, heading).find(words.str()) != std::string::npos);
  };
  states("## 2. The rendezvous record", rendezvous_magic, "SCRENDEZ");
  states("### Server page", server_page_magic, "SCSERVER");
  states("### Header", segment_magic, "SCHANNEL");
}

TEST_CASE("protocol page: its numbers of errors are the library's") {
  const std::string text = page();
  if (text.empty()) SKIP_TEST("the sources are not where they were compiled");
  const std::string table = section(text, "## 5. The words");
  for (const shared_channel::Errc code : test_support::error_codes()) {
    const std::string cell = "| " + std::to_string(static_cast<int>(code)) + ' ' + std::string(to_string(code)) + " |";
    INFO(cell);
    CHECK(table.find(cell) != std::string::npos);
  }
}

TEST_CASE("protocol page: its names are the channel's") {
  const std::string text = page();
  if (text.empty()) SKIP_TEST("the sources are not where they were compiled");
  const std::string table = section(text, "## 1. Names");
  const Names names = Names::make("NAME", shared_channel::Scope::session).value();
  const auto generic = [&](std::string name) {
    const std::string digits = "0000000000000001";
    if (const auto at = name.find(digits); at != std::string::npos) name.replace(at, digits.size(), "GENERATION");
    return '`' + name + '`';
  };
  for (const std::string& name : {names.rendezvous(), names.server_lock(), names.segment(1), names.server_page(1)}) {
    INFO(name);
    CHECK(table.find(generic(name)) != std::string::npos);
  }
  for (const char* part : {"exec", "done.I", "slot_freed", "client_mutex", "client.N", "ended", "alive"}) {
    INFO(part);
    CHECK(table.find("`….GENERATION." + std::string(part) + '`') != std::string::npos);
  }
}

}  // namespace protocol_page_test
