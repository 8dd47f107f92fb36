// The C interface for tests in C++: handles that close themselves, and errors that are ready for use.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <shared_channel.h>

namespace c_test {

struct Closer {
  void operator()(sc_client* client) const { sc_client_close(client); }
  void operator()(sc_call* call) const { sc_call_release(call); }
  void operator()(sc_server* server) const { sc_server_close(server); }
  void operator()(sc_request* request) const { sc_request_release(request); }
  void operator()(const sc_shape* shape) const { sc_shape_free(shape); }
  void operator()(const sc_info* info) const { sc_info_free(info); }
  void operator()(const sc_list* list) const { sc_list_free(list); }
};
template <class T>
using Handle = std::unique_ptr<T, Closer>;

struct Failure : sc_error {
  Failure() : sc_error{sizeof(sc_error), -1, -1, -1, -1, {'?'}} {}
  std::string_view text() const { return message; }
};

inline constexpr std::int64_t amply_ns = 60'000'000'000;
inline constexpr std::int64_t ms = 1'000'000;

inline Handle<sc_client> open_client(const std::string& name, const sc_client_options* options = nullptr) {
  sc_client* client = nullptr;
  Failure failure;
  if (sc_client_open(name.c_str(), options, &client, &failure) != SC_OK) throw std::runtime_error(failure.message);
  return Handle<sc_client>(client);
}

inline Handle<sc_server> open_server(const std::string& name, const sc_message* request = nullptr,
                                     const sc_message* reply = nullptr, const sc_server_options* options = nullptr) {
  sc_server* server = nullptr;
  Failure failure;
  if (sc_server_open(name.c_str(), request, reply, options, &server, &failure) != SC_OK)
    throw std::runtime_error(failure.message);
  return Handle<sc_server>(server);
}

// A message of fixed size, as a C program declares it.
inline sc_message described(const char* description) { return {sizeof(sc_message), 0, 0, 0, description}; }

template <class Request, class Reply>
sc_code ask(sc_client* client, const Request& request, Reply& reply, std::int64_t timeout = amply_ns,
            const sc_wait* wait = nullptr, sc_error* error = nullptr) {
  return sc_client_call(client, &request, sizeof request, &reply, sizeof reply, nullptr, timeout, wait, error);
}

template <class Request>
Handle<sc_call> send(sc_client* client, const Request& request, std::int64_t timeout = amply_ns) {
  sc_call* call = nullptr;
  Failure failure;
  if (sc_client_call_async(client, &request, sizeof request, timeout, nullptr, &call, &failure) != SC_OK)
    throw std::runtime_error(failure.message);
  return Handle<sc_call>(call);
}

// The next request, which is there or comes soon.
inline Handle<sc_request> take(sc_server* server) {
  sc_request* request = nullptr;
  Failure failure;
  if (sc_server_next(server, amply_ns, nullptr, &request, &failure) != SC_OK) throw std::runtime_error(failure.message);
  return Handle<sc_request>(request);
}

// Says that a wait is over when it is asked for the `patience`th time.
struct Question {
  int patience = 1;
  int asked = 0;

  sc_wait wait() {
    return {sizeof(sc_wait), 0, 0, [](void* self) { return static_cast<Question*>(self)->answer(); }, this};
  }
  int answer() { return ++asked >= patience; }
};

}  // namespace c_test
