// The library as its users call it: typed and in place, under each waiting policy; text of any length; asynchronously.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/spin.hpp"
#include "in_place.hpp"
#include "list.hpp"

namespace bench {

namespace {

namespace sc = shared_channel;

constexpr std::chrono::seconds timeout{5};  // a full house of clients takes turns

template <std::size_t Size>
struct Message {
  std::uint64_t words[Size / 8];
};

template <class Outcome>
void require(const Outcome& outcome) {
  if (!outcome) throw std::runtime_error(outcome.error().message());
}

void work_for(double ns, const Clock& clock) {
  if (ns == 0) return;
  const std::uint64_t end = ticks() + clock.to_ticks(ns * 1e-9);
  spin_until([&] { return ticks() >= end; });
}

sc::ServerOptions server_options(const Session& session, sc::WaitPolicy wait) {
  sc::ServerOptions options;
  options.max_calls = session.shape().slots;
  options.threads = session.shape().threads;
  options.max_request_bytes = options.max_reply_bytes = session.shape().size;
  options.wait = wait;
  return options;
}
sc::ClientOptions client_options(sc::WaitPolicy wait) {
  sc::ClientOptions options;
  options.wait = wait;
  return options;
}

template <std::size_t Size>
using Sized = sc::SharedChannel<Message<Size>>;

template <std::size_t Size>
class TypedServer {
 public:
  TypedServer(const Session& session, sc::WaitPolicy wait)
      : shape_(session.shape()),
        clock_(session.control().clock),
        server_(session.channel(), server_options(session, wait)) {}

  void serve() {
    require(server_.serve([this](const Message<Size>& request, Message<Size>& reply) {
      reply = request;
      work_for(shape_.handler_ns, clock_);
    }));
  }
  void stop() noexcept { server_.stop(); }

 private:
  Shape shape_;
  Clock clock_;
  typename Sized<Size>::Server server_;
};

// What the clients of typed messages share.
template <std::size_t Size>
class SizedClient {
 protected:
  SizedClient(const Session& session, sc::WaitPolicy wait)
      : burst_(session.shape().burst),
        client_(session.channel(), client_options(wait)),
        check_(session.shape().check),
        request_(std::make_unique<Message<Size>>()) {}

  const Message<Size>& request(Messages& messages) {
    check_ ? copy(request_->words, messages.request(), Size) : void(request_->words[0] = messages.request()[0]);
    return *request_;
  }
  static void look_at(const sc::Result<Message<Size>>& reply, Messages& messages) {
    require(reply);
    messages.look_at(reply->words);
  }

  std::uint32_t burst_;
  typename Sized<Size>::Client client_;

 private:
  bool check_;
  std::unique_ptr<Message<Size>> request_;
};

template <std::size_t Size>
class TypedClient : SizedClient<Size> {
 public:
  TypedClient(const Session& session, sc::WaitPolicy wait) : SizedClient<Size>(session, wait) {}

  void round_trip(Messages& messages) {
    const Message<Size>& request = this->request(messages);
    for (std::uint32_t calls = 0; calls < this->burst_; ++calls)
      this->look_at(this->client_.call(request, timeout), messages);
  }
};

template <std::size_t Size>
class AsyncClient : SizedClient<Size> {
 public:
  AsyncClient(const Session& session, sc::WaitPolicy wait) : SizedClient<Size>(session, wait) {}

  void round_trip(Messages& messages) {
    const Message<Size>& request = this->request(messages);
    for (std::uint32_t calls = 0; calls < this->burst_; ++calls)
      pending_.push_back(this->client_.call_async(request, timeout));
    for (auto& call : pending_) this->look_at(call.get(), messages);
    pending_.clear();
  }

 private:
  std::vector<sc::PendingCall<Message<Size>>> pending_;
};

// What ends the round trips whose replies come by themselves: the last one wakes the caller.
template <std::size_t Size>
class SelfEndingClient : protected SizedClient<Size> {
 protected:
  using SizedClient<Size>::SizedClient;

  template <class Begin>
  void round_trip_of(Messages& messages, Begin&& begin) {
    const Message<Size>& request = this->request(messages);
    left_ = this->burst_;
    for (std::uint32_t calls = 0; calls < this->burst_; ++calls) begin(request);
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return left_ == 0; });
    require(reply_);
    this->look_at(reply_, messages);
  }

  // Also from two completion threads at a time, where many calls are in flight.
  void take(sc::Result<Message<Size>> reply) {
    const std::lock_guard lock(mutex_);
    if (reply_) reply_ = std::move(reply);
    if (--left_ == 0) ended_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::uint32_t left_ = 0;
  sc::Result<Message<Size>> reply_{Message<Size>{}};
};

template <std::size_t Size>
class CallbackClient : SelfEndingClient<Size> {
 public:
  CallbackClient(const Session& session, sc::WaitPolicy wait) : SelfEndingClient<Size>(session, wait) {}

  void round_trip(Messages& messages) {
    this->round_trip_of(messages, [this](const Message<Size>& request) {
      require(this->client_.call_async(request, timeout,
                                       [this](sc::Result<Message<Size>> reply) { this->take(std::move(reply)); }));
    });
  }
};

struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

template <std::size_t Size>
class CoroutineClient : SelfEndingClient<Size> {
 public:
  CoroutineClient(const Session& session, sc::WaitPolicy wait) : SelfEndingClient<Size>(session, wait) {}

  void round_trip(Messages& messages) {
    this->round_trip_of(messages, [this](const Message<Size>& request) { ask(request); });
  }

 private:
  Detached ask(const Message<Size>& request) { this->take(co_await this->client_.call_async(request, timeout)); }
};

template <std::size_t Size>
class InPlaceServer {
 public:
  InPlaceServer(const Session& session, sc::WaitPolicy wait)
      : server_(session.channel(), server_options(session, wait)) {}

  void serve() {
    require(server_.serve([](const Message<Size>& request, Message<Size>& reply) {
      answer_in_place(ConstWords(request.words), Words(reply.words));
    }));
  }
  void stop() noexcept { server_.stop(); }

 private:
  typename Sized<Size>::Server server_;
};

template <std::size_t Size>
class InPlaceClient {
 public:
  InPlaceClient(const Session& session, sc::WaitPolicy wait) : client_(session.channel(), client_options(wait)) {}

  void round_trip(Messages& messages) {
    require(client_.call_in_place([&](Message<Size>& request) { fill(request.words, messages.sequence()); },
                                  [&](const Message<Size>& reply) { read_in_place(reply.words, messages); }, timeout));
  }

 private:
  typename Sized<Size>::Client client_;
};

using Text = sc::SharedChannel<std::string>;

class TextServer {
 public:
  TextServer(const Session& session, sc::WaitPolicy wait) : server_(session.channel(), server_options(session, wait)) {}

  void serve() {
    require(server_.serve([](const std::string& request, std::string& reply) { reply = request; }));
  }
  void stop() noexcept { server_.stop(); }

 private:
  Text::Server server_;
};

class TextClient {
 public:
  TextClient(const Session& session, sc::WaitPolicy wait)
      : check_(session.shape().check),
        client_(session.channel(), client_options(wait)),
        request_(session.shape().size, '\0') {}

  void round_trip(Messages& messages) {
    std::memcpy(request_.data(), messages.request(), check_ ? messages.size() : sizeof(std::uint64_t));
    const auto reply = client_.call(request_, timeout);
    require(reply);
    std::memcpy(messages.reply(), reply->data(), check_ ? messages.size() : sizeof(std::uint64_t));
  }

 private:
  bool check_;
  Text::Client client_;
  std::string request_;
};

template <class Use>
void with_size(std::size_t size, Use&& use) {
  switch (size) {
    case 8:
      return use.template operator()<8>();
    case 48:
      return use.template operator()<48>();
    case 64:
      return use.template operator()<64>();
    case 256:
      return use.template operator()<256>();
    case 4096:
      return use.template operator()<4096>();
    case 65536:
      return use.template operator()<65536>();
    case largest_message:
      return use.template operator()<largest_message>();
    default:
      throw std::invalid_argument("a size that the library's benchmark is not compiled for");
  }
}

// A policy is a form of call: its Server and Client for messages of a size, and which shapes it is measured for.
struct Typed {
  template <std::size_t Size>
  using Server = TypedServer<Size>;
  template <std::size_t Size>
  using Client = TypedClient<Size>;
  static bool fits(const Shape&) { return true; }
};
struct Async : Typed {
  template <std::size_t Size>
  using Client = AsyncClient<Size>;
};
// Measured side by side only.
struct WithCallback : Typed {
  template <std::size_t Size>
  using Client = CallbackClient<Size>;
  static bool fits(const Shape& shape) { return shape.burst > 1; }
};
struct Awaited : Typed {
  template <std::size_t Size>
  using Client = CoroutineClient<Size>;
  static bool fits(const Shape& shape) { return shape.burst > 1; }
};
struct InPlace {
  template <std::size_t Size>
  using Server = InPlaceServer<Size>;
  template <std::size_t Size>
  using Client = InPlaceClient<Size>;
  static bool fits(const Shape& shape) { return shape.clients == 1 && shape.size >= 4096; }
};
struct AnyLength : Typed {
  template <std::size_t>
  using Server = TextServer;
  template <std::size_t>
  using Client = TextClient;
};

template <class Form>
class Library final : public System {
 public:
  Library(std::string_view name, sc::WaitPolicy wait) : name_(name), wait_(wait) {}

  std::string_view name() const override { return name_; }
  Kind kind() const override { return Kind::library; }
  bool spins() const override { return wait_ == sc::WaitPolicy::spin_only(); }
  bool fits(const Shape& shape) const override { return Form::fits(shape); }

  void serve(const Session& session) const override {
    with_size(session.shape().size, [&]<std::size_t Size>() {
      typename Form::template Server<Size> server(session, wait_);
      serve_until_stopped(server, session);
    });
  }

  void run_client(const Session& session, unsigned index) const override {
    ask_probe(session);
    with_size(session.shape().size, [&]<std::size_t Size>() {
      const std::uint64_t started = ticks();
      typename Form::template Client<Size> client(session, wait_);
      bench::measure(client, session, index, started);
    });
  }

  void idle_client(const Session& session, unsigned) const override {
    ask_probe(session);
    with_size(session.shape().size, [&]<std::size_t Size>() {
      typename Form::template Client<Size> client(session, wait_);
      stay_idle(client, session);
    });
  }

 private:
  std::string_view name_;
  sc::WaitPolicy wait_;
};

}  // namespace

std::vector<const System*> library() {
  using sc::WaitPolicy;
  static const Library<Typed> typed[] = {{"call spinning", WaitPolicy::spin_only()},
                                         {"call default", WaitPolicy{}},
                                         {"call sleeping", WaitPolicy::sleep()}};
  static const Library<InPlace> in_place[] = {{"in place spinning", WaitPolicy::spin_only()},
                                              {"in place default", WaitPolicy{}},
                                              {"in place sleeping", WaitPolicy::sleep()}};
  static const Library<AnyLength> text("text default", WaitPolicy{});
  static const Library<Async> async("async default", WaitPolicy{});
  static const Library<WithCallback> callback("callback default", WaitPolicy{});
  static const Library<Awaited> awaited("co_await default", WaitPolicy{});

  std::vector<const System*> list;
  for (const System& system : typed) list.push_back(&system);
  for (const System& system : in_place) list.push_back(&system);
  list.insert(list.end(), {&text, &async, &callback, &awaited});
  return list;
}

}  // namespace bench
