// Asks several questions at once and does something else meanwhile: the three forms of an asynchronous call. For
// brevity the server is a part of the same program.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <coroutine>
#include <cstdio>
#include <exception>
#include <future>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

using namespace std::chrono_literals;
using shared_channel::Result;
using Translator = shared_channel::SharedChannel<std::string>;

std::string translate(const std::string& word) {
  static const std::unordered_map<std::string, std::string> words = {
      {"ein", "one"}, {"zwei", "two"}, {"drei", "three"}, {"vier", "four"}};
  std::this_thread::sleep_for(20ms);
  const auto found = words.find(word);
  return found == words.end() ? "?" : found->second;
}

void show(const char* form, const std::string& word, const Result<std::string>& answer) {
  std::printf("%s: %s = %s\n", form, word.c_str(), answer ? answer->c_str() : answer.error().message().c_str());
}

// 1. Ask now, look later. No thread but ours has a part in it.
void pending(Translator::Client& client) {
  const std::vector<std::string> words = {"ein", "zwei", "drei", "vier"};
  std::vector<shared_channel::PendingCall<std::string>> calls;
  for (const auto& word : words) calls.push_back(client.call_async(word, 10s));
  // ... all four are in flight ...
  for (std::size_t i = 0; i < words.size(); ++i) show("pending", words[i], calls[i].get());
}

// 2. Have a function called with the answer, on a thread of the client's own.
void callback(Translator::Client& client) {
  std::promise<void> called;
  const auto begun = client.call_async("zwei", 10s, [&](Result<std::string> answer) {
    show("callback", "zwei", answer);
    called.set_value();
  });
  if (!begun) return show("callback", "zwei", begun.error());
  // ... the answer comes by itself ...
  called.get_future().wait();
}

// 3. Let a coroutine wait. This is the least type of coroutine; frameworks bring better ones.
struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};
Task coroutine(Translator::Client& client, std::promise<void>& finished) {
  for (const std::string word : {"drei", "vier"}) {
    const auto answer = co_await client.call_async(word, 10s);
    show("coroutine", word, answer);
  }
  finished.set_value();
}

int main() {
  const std::string name = "translator." + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  shared_channel::ServerOptions options;
  options.threads = 4;
  Translator::Server server(name, options);
  server.start(translate).value();

  Translator::Client client(name);
  pending(client);
  callback(client);
  std::promise<void> finished;
  coroutine(client, finished);
  finished.get_future().wait();
}
