// What is given to shared_channel on the command line reaches the server as it was written.
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "../../tools/shared_channel/exit_code.hpp"
#include "run.hpp"
#include "support/names.hpp"

namespace tool_arguments_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using test_support::unique_name;
using tool::Json;
using tool_test::call;
using tool_test::run;

struct Pair {
  std::int32_t a, b;
};
struct Mixed {
  std::string text;
  std::vector<Pair> pairs;
  std::int32_t number;
};

// Says back what it is told, and how the tool told it.
template <class T>
class Echo {
 public:
  Echo() : server_(name) {
    server_.start([](const T& value) { return value; }).value();
  }

  // The reply, or the exit code.
  std::string operator()(std::vector<std::string> words) {
    words.insert(words.begin(), name);
    const auto result = call(std::move(words));
    return result.code == 0 && result.lines.size() == 1 ? result.lines.front() : std::to_string(result.code);
  }

  const std::string name = unique_name("tool");

 private:
  typename SharedChannel<T, T>::Server server_;
};

TEST_CASE("tool arguments: arrays are JSON, whatever is in them") {
  Echo<std::vector<std::vector<std::int32_t>>> lists;
  CHECK(lists({"[[1,2],[3,4]]"}) == "[[1,2],[3,4]]");
  CHECK(lists({"[1,2]", "[3]"}) == "[[1,2],[3]]");
  CHECK(lists({"[[]]"}) == "[[]]");
  CHECK(lists({"[]"}) == "[]");

  Echo<std::vector<std::string>> texts;
  CHECK(texts({R"(["a, b"])"}) == R"(["a, b"])");
  CHECK(texts({R"(["a", "]"])"}) == R"(["a","]"])");
  CHECK(texts({"a", "b,c"}) == R"(["a","b,c"])");
  CHECK(texts({"", ""}) == R"(["",""])");

  Echo<std::vector<std::int32_t>> numbers;
  CHECK(numbers({"[7]"}) == "[7]");
  CHECK(numbers({"[-7]"}) == "[-7]");
  CHECK(numbers({"2", "-3"}) == "[2,-3]");
  CHECK(numbers({"[2,,3]"}) == "2");        // no JSON
  CHECK(numbers({"[2,3]", "[4]"}) == "2");  // no numbers

  Echo<Mixed> mixed;
  CHECK(mixed({R"(["t",[[1,2]],9])"}) == R"(["t",[[1,2]],9])");
  CHECK(mixed({"t", "[[1,2]]", "-9"}) == R"(["t",[[1,2]],-9])");

  Echo<std::vector<std::variant<std::vector<std::int32_t>, std::string>>> variants;
  CHECK(variants({R"([{"0":[1,2]}])"}) == R"([{"0":[1,2]}])");
  CHECK(variants({R"({"1":"a"})", R"({"1":"b"})"}) == R"([{"1":"a"},{"1":"b"}])");
}

TEST_CASE("tool arguments: texts are sent as they are") {
  Echo<std::string> echo;
  for (const char* const text :
       {"hello", "a b", "a=b", "=x",   "++",  "%%", "/path", "/timeout:5", "/t",  "list",  "call", "- x",
        "-",     "--",  "-.5", "-inf", "a,b", "a]", "\\",    "-!",         "--1", "@file", "'a'",  "gr\xC3\xBCn"}) {
    CAPTURE(text);
    const std::string reply = Json(text).dump();
    if (std::string(text) != "-" && std::string(text) != "--") CHECK(echo({text}) == reply);
    if (std::string(text) != "-") CHECK(echo({"--", text}) == reply);
  }
  CHECK(echo({""}) == R"("")");
  CHECK(echo({R"("[draft]")"}) == R"("[draft]")");
  CHECK(echo({"--", "--json"}) == R"("--json")");
  CHECK(echo({"--", "-t"}) == R"("-t")");
  CHECK(echo({R"("-")"}) == R"("-")");
  CHECK(echo({"[draft]"}) == "2");  // begins as an array, and is none
  CHECK(echo({"{}"}) == "2");       // no text
  CHECK(call({echo.name, "-"}, {"[\"", "[draft]"}).code == 2);
}

TEST_CASE("tool arguments: numbers keep their signs") {
  Echo<double> number;
  CHECK(number({"-inf"}) == R"("-inf")");
  CHECK(number({"--", "-inf"}) == R"("-inf")");
  CHECK(number({"-0.5"}) == "-0.5");
  CHECK(number({"-0"}) == "-0.0");
  CHECK(number({"0"}) == "0.0");
  CHECK(number({"-.5"}) == "2");  // no number of JSON
}

TEST_CASE("tool arguments: options and their values") {
  Echo<std::string> echo;
  CHECK(echo({"--hex", ""}).empty());
  CHECK(echo({"--hex="}).empty());
  CHECK(echo({"--hex=6162"}) == "6162");
  CHECK(echo({"--hex", "[61]"}) == "2");
  CHECK(echo({"-t60s", "x"}) == R"("x")");
  CHECK(echo({"-wt60s", "x"}) == R"("x")");
  CHECK(echo({"-wt", "60s", "x"}) == R"("x")");
  CHECK(echo({"x", "--timeout=60s", "--json"}) == R"({"reply":"x"})");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"x", "-x"},
                                                                                     {"x", "--no"},
                                                                                     {"x", "-t"},
                                                                                     {"x", "--timeout="},
                                                                                     {"x", "-t", "-5s"},
                                                                                     {"x", "--hex", "61"},
                                                                                     {}}) {
    CAPTURE(words);
    CHECK(echo(words) == "2");
  }
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"top", "-n", "1x"},
                                             {"top", "-n", "-1"},
                                             {"top", "-n", ""},
                                             {"top", "-n1", "--sort", "[name]"},
                                             {"top", "-n1", "--sort="},
                                             {"metrics", "-o", ""},
                                             {"list", "[]"},
                                             {"show", echo.name, "++"},
                                             {"clean"},
                                             {"clean", "--dead", "[x]"},
                                             {"watch", "--for", "1ms", "/help"}}) {
    CAPTURE(words);
    CHECK(run(words).code == 2);
  }
}

TEST_CASE("tool arguments: a channel whose name looks like an option is found after --") {
  const std::string name = '-' + unique_name("tool");
  SharedChannel<int>::Server server(name);
  server.start([](int value) { return value; }).value();
  CHECK(run({"show", name}).code == 2);
  CHECK(run({"show", "--", name}).code == 0);
  CHECK(run({"call", "--wait", "--", name, "-5"}).lines == std::vector<std::string>{"-5"});
  CHECK(run({"watch", "--for", "1ms", "--", name}).code == 0);
  CHECK(run({"clean", "--", name}).code == 6);
}

TEST_CASE("tool arguments: values nested deeper than any message are refused") {
  Echo<std::vector<std::string>> echo;
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  CHECK(echo({nested(15000)}) == "2");  // as long as Win32 takes
  CHECK(call({echo.name, "-"}, {nested(1000000)}).code == 2);
  CHECK(call({echo.name, "-"}, {nested(900)}).code == 2);
}

TEST_CASE("tool arguments: what the exit codes say of errors") {
  const auto error = [](Errc code) { return Error(code, "adder", "so it is"); };
  CHECK(tool::code_of_look(error(Errc::no_server)) == 3);
  CHECK(tool::code_of_look(error(Errc::invalid_name)) == 2);
  CHECK(tool::code_of_look(error(Errc::access_denied)) == 1);
  CHECK(tool::code_of_look(error(Errc::system_error)) == 1);  // not a word about a call
  CHECK(tool::code_of_call(error(Errc::no_server)) == 3);
  CHECK(tool::code_of_call(error(Errc::invalid_name)) == 2);
  CHECK(tool::code_of_call(error(Errc::access_denied)) == 4);
  CHECK(tool::code_of_call(error(Errc::system_error)) == 5);
}

}  // namespace tool_arguments_test
