// The library by its C interface: a client and a server that calls a handler, and one that pulls its requests.
#include <shared_channel.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "in_place.hpp"
#include "list.hpp"

namespace bench {

namespace {

constexpr std::int64_t timeout = 5'000'000'000;

struct Failure : sc_error {
  Failure() : sc_error SC_ERROR_INIT {}
};

void require(sc_code code, const sc_error& error) {
  if (code != SC_OK) throw std::runtime_error(error.message);
}

// As the typed messages of library.cpp.
std::string description(std::size_t size) { return "{u64[" + std::to_string(size / 8) + "]}"; }

// As in C++, the handler knows its struct. It is for one size only, as fits() says.
struct Short {
  std::uint64_t words[6];
};
std::int64_t copy_back(void*, const void* request, size_t, void* reply, size_t, sc_error*) {
  *static_cast<Short*>(reply) = *static_cast<const Short*>(request);
  return sizeof(Short);
}
std::int64_t answer_words(void*, const void* request, size_t size, void* reply, size_t, sc_error*) {
  answer_in_place(ConstWords(static_cast<const std::uint64_t*>(request), size / 8),
                  Words(static_cast<std::uint64_t*>(reply), size / 8));
  return static_cast<std::int64_t>(size);
}

enum class Form { call, in_place, pulled };

class CServer {
 public:
  CServer(const Session& session, std::int64_t spin, Form form) : form_(form) {
    const std::string type = description(session.shape().size);
    const sc_message message{sizeof(sc_message), 0, 0, 0, type.c_str()};
    sc_server_options options{};
    options.size = sizeof options;
    options.spin = spin;
    options.max_calls = session.shape().slots;
    options.threads = session.shape().threads;
    Failure error;
    require(sc_server_open(std::string(session.channel()).c_str(), &message, &message, &options, &server_, &error),
            error);
  }
  ~CServer() { sc_server_close(server_); }
  CServer(const CServer&) = delete;
  CServer& operator=(const CServer&) = delete;

  void serve() {
    Failure error;
    if (form_ != Form::pulled)
      return require(sc_server_serve(server_, form_ == Form::call ? copy_back : answer_words, nullptr, &error), error);
    sc_request* request = nullptr;
    while (sc_server_next(server_, SC_FOREVER, nullptr, &request, &error) == SC_OK) {
      size_t size = 0, room = 0;
      const void* const data = sc_request_data(request, &size);
      std::memcpy(sc_request_room(request, &room), data, size);
      sc_request_send(request, size, nullptr);
      sc_request_release(request);
    }
  }
  void stop() noexcept { sc_server_stop(server_); }

 private:
  Form form_;
  sc_server* server_ = nullptr;
};

class CClient {
 public:
  CClient(const Session& session, std::int64_t spin, Form form) : form_(form), check_(session.shape().check) {
    sc_client_options options{};
    options.size = sizeof options;
    options.spin = spin;
    Failure error;
    require(sc_client_open(std::string(session.channel()).c_str(), &options, &client_, &error), error);
    request_.resize(session.shape().size / 8);
    reply_.resize(session.shape().size / 8);
  }
  ~CClient() { sc_client_close(client_); }
  CClient(const CClient&) = delete;
  CClient& operator=(const CClient&) = delete;

  void round_trip(Messages& messages) { form_ == Form::in_place ? in_place(messages) : call(messages); }

 private:
  void call(Messages& messages) {
    check_ ? void(std::memcpy(request_.data(), messages.request(), messages.size()))
           : void(request_[0] = messages.request()[0]);
    require(sc_client_call(client_, request_.data(), messages.size(), reply_.data(), messages.size(), nullptr, timeout,
                           nullptr, &error_),
            error_);
    messages.look_at(reply_.data());
  }

  void in_place(Messages& messages) {
    sc_call* call = nullptr;
    require(sc_client_begin(client_, timeout, nullptr, &call, &error_), error_);
    size_t size = 0;
    fill(Words(static_cast<std::uint64_t*>(sc_call_room(call, &size)), messages.size() / 8), messages.sequence());
    require(sc_call_send(call, size, &error_), error_);
    const void* reply = nullptr;
    require(sc_call_reply(call, &reply, &size, &error_), error_);
    read_in_place(ConstWords(static_cast<const std::uint64_t*>(reply), size / 8), messages);
    sc_call_release(call);
  }

  Form form_;
  bool check_;
  sc_client* client_ = nullptr;
  Failure error_;
  std::vector<std::uint64_t> request_, reply_;
};

class CInterface final : public System {
 public:
  CInterface(std::string_view name, std::int64_t spin, Form form) : name_(name), spin_(spin), form_(form) {}

  std::string_view name() const override { return name_; }
  Kind kind() const override { return Kind::library; }
  bool spins() const override { return spin_ == SC_FOREVER; }
  // Beside the same in C++: short messages copied, long ones in place.
  bool fits(const Shape& shape) const override {
    const bool is_long = shape.size == largest_message;
    return shape.clients == 1 && shape.burst == 1 && shape.handler_ns == 0 &&
           (form_ == Form::in_place ? is_long : shape.size == sizeof(Short));
  }

  void serve(const Session& session) const override {
    CServer server(session, spin_, form_);
    serve_until_stopped(server, session);
  }
  void run_client(const Session& session, unsigned index) const override {
    ask_probe(session);
    const std::uint64_t started = ticks();
    CClient client(session, spin_, form_);
    bench::measure(client, session, index, started);
  }
  void idle_client(const Session& session, unsigned) const override {
    ask_probe(session);
    CClient client(session, spin_, form_);
    stay_idle(client, session);
  }

 private:
  std::string_view name_;
  std::int64_t spin_;
  Form form_;
};

}  // namespace

std::vector<const System*> c_interface() {
  static const CInterface systems[] = {
      {"C call spinning", SC_FOREVER, Form::call},         {"C call default", SC_SPIN_DEFAULT, Form::call},
      {"C in place spinning", SC_FOREVER, Form::in_place}, {"C in place default", SC_SPIN_DEFAULT, Form::in_place},
      {"C pulled spinning", SC_FOREVER, Form::pulled},     {"C pulled default", SC_SPIN_DEFAULT, Form::pulled}};
  std::vector<const System*> list;
  for (const System& system : systems) list.push_back(&system);
  return list;
}

}  // namespace bench
