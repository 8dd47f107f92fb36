// Keeps values under keys, for any number of key_value_clients, until Ctrl-C.
// usage: key_value_server [CHANNEL]
#include <csignal>
#include <cstdio>
#include <map>
#include <utility>

#include "key_value.hpp"

namespace {

// One function a method. A server has one thread unless ServerOptions say otherwise, so there is nothing to lock.
class Store {
 public:
  Reply operator()(const Get& get) const {
    const auto found = entries_.find(get.key);
    return found != entries_.end() ? Value(found->second) : Value();
  }
  Reply operator()(Put& put) {
    const auto [entry, is_new] = entries_.try_emplace(std::move(put.key));
    Value before = is_new ? Value() : Value(std::move(entry->second));
    entry->second = std::move(put.value);
    return before;
  }
  Reply operator()(const Erase& erase) {
    const auto entry = entries_.extract(erase.key);
    return entry ? Value(std::move(entry.mapped())) : Value();
  }
  Reply operator()(const List& list) const {
    Keys keys;
    for (auto entry = entries_.lower_bound(list.prefix);
         entry != entries_.end() && entry->first.starts_with(list.prefix); ++entry) {
      keys.push_back(entry->first);
    }
    return keys;
  }

 private:
  std::map<std::string, std::string> entries_;
};

KeyValue::Server* serving = nullptr;

// stop() may be called from a signal handler.
void on_signal(int) { serving->stop(); }

void handle_signals_with(void (*handler)(int)) {
  std::signal(SIGINT, handler);  // Ctrl-C
  std::signal(SIGTERM, handler);
#if defined(SIGBREAK)
  std::signal(SIGBREAK, handler);  // Ctrl-Break, and the console window closing
#endif
}

}  // namespace

int main(int argc, char** argv) {
  auto server = KeyValue::Server::create(argc > 1 ? argv[1] : "key_value");
  if (!server) {
    std::fprintf(stderr, "key_value_server: %s\n", server.error().message().c_str());
    return 1;
  }
  serving = &*server;
  handle_signals_with(on_signal);
  std::puts("serving; Ctrl-C stops");
  std::fflush(stdout);

  Store store;
  const auto served = server->serve([&](Request request) { return std::visit(store, request); });
  handle_signals_with(SIG_IGN);  // the server goes now
  return served ? 0 : 1;
}
