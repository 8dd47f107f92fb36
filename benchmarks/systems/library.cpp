// The library as its users call it: typed and in place, under each waiting policy; text of any length; asynchronously.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/spin.hpp"
#include "in_place.hpp"
#include "list.hpp"

namespace bench {

namespace {

namespace sc = shared_channel;

enum class Form { typed, in_place, text, async };

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
class LibraryServer {
 public:
  LibraryServer(const Session& session, Form form, sc::WaitPolicy wait)
      : form_(form),
        shape_(session.shape()),
        clock_(session.control().clock),
        server_(session.channel(), server_options(session, wait)) {}

  void serve() { form_ == Form::in_place ? serve_in_place() : serve_typed(); }
  void stop() noexcept { server_.stop(); }

 private:
  void serve_typed() {
    require(server_.serve([this](const Message<Size>& request, Message<Size>& reply) {
      reply = request;
      work_for(shape_.handler_ns, clock_);
    }));
  }

  void serve_in_place() {
    require(server_.serve([](const Message<Size>& request, Message<Size>& reply) {
      answer_in_place(ConstWords(request.words), Words(reply.words));
    }));
  }

  Form form_;
  Shape shape_;
  Clock clock_;
  typename sc::SharedChannel<Message<Size>>::Server server_;
};

template <std::size_t Size>
class LibraryClient {
 public:
  LibraryClient(const Session& session, Form form, sc::WaitPolicy wait)
      : form_(form),
        check_(session.shape().check),
        burst_(session.shape().burst),
        client_(session.channel(), client_options(wait)),
        request_(std::make_unique<Message<Size>>()) {}

  void round_trip(Messages& messages) {
    if (form_ == Form::in_place) return call_in_place(messages);
    check_ ? copy(request_->words, messages.request(), Size) : void(request_->words[0] = messages.request()[0]);
    if (form_ == Form::async) return call_async(messages);
    for (std::uint32_t calls = 0; calls < burst_; ++calls) look_at(client_.call(*request_, timeout), messages);
  }

 private:
  void look_at(const sc::Result<Message<Size>>& reply, Messages& messages) {
    require(reply);
    messages.look_at(reply->words);
  }

  void call_async(Messages& messages) {
    for (std::uint32_t calls = 0; calls < burst_; ++calls) pending_.push_back(client_.call_async(*request_, timeout));
    for (auto& call : pending_) look_at(call.get(), messages);
    pending_.clear();
  }

  void call_in_place(Messages& messages) {
    require(client_.call_in_place([&](Message<Size>& request) { fill(request.words, messages.sequence()); },
                                  [&](const Message<Size>& reply) { read_in_place(reply.words, messages); }, timeout));
  }

  Form form_;
  bool check_;
  std::uint32_t burst_;
  typename sc::SharedChannel<Message<Size>>::Client client_;
  std::unique_ptr<Message<Size>> request_;
  std::vector<sc::PendingCall<Message<Size>>> pending_;
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

class Library final : public System {
 public:
  Library(std::string_view name, Form form, sc::WaitPolicy wait) : name_(name), form_(form), wait_(wait) {}

  std::string_view name() const override { return name_; }
  Kind kind() const override { return Kind::library; }
  bool spins() const override { return wait_ == sc::WaitPolicy::spin_only(); }
  bool fits(const Shape& shape) const override {
    return form_ != Form::in_place || (shape.clients == 1 && shape.size >= 4096);
  }

  void serve(const Session& session) const override {
    if (form_ == Form::text) {
      TextServer server(session, wait_);
      return serve_until_stopped(server, session);
    }
    with_size(session.shape().size, [&]<std::size_t Size>() {
      LibraryServer<Size> server(session, form_, wait_);
      serve_until_stopped(server, session);
    });
  }

  void run_client(const Session& session, unsigned index) const override {
    with_client(session, [&](auto&& make) {
      const std::uint64_t started = ticks();
      auto client = make();
      bench::measure(client, session, index, started);
    });
  }

  void idle_client(const Session& session, unsigned) const override {
    with_client(session, [&](auto&& make) {
      auto client = make();
      stay_idle(client, session);
    });
  }

 private:
  template <class Use>
  void with_client(const Session& session, Use&& use) const {
    ask_probe(session);
    if (form_ == Form::text) return use([&] { return TextClient(session, wait_); });
    with_size(session.shape().size,
              [&]<std::size_t Size>() { use([&] { return LibraryClient<Size>(session, form_, wait_); }); });
  }

  std::string_view name_;
  Form form_;
  sc::WaitPolicy wait_;
};

}  // namespace

std::vector<const System*> library() {
  static const Library systems[] = {
      {"call spinning", Form::typed, sc::WaitPolicy::spin_only()},
      {"call default", Form::typed, sc::WaitPolicy{}},
      {"call sleeping", Form::typed, sc::WaitPolicy::sleep()},
      {"in place spinning", Form::in_place, sc::WaitPolicy::spin_only()},
      {"in place default", Form::in_place, sc::WaitPolicy{}},
      {"in place sleeping", Form::in_place, sc::WaitPolicy::sleep()},
      {"text default", Form::text, sc::WaitPolicy{}},
      {"async default", Form::async, sc::WaitPolicy{}},
  };
  std::vector<const System*> list;
  for (const System& system : systems) list.push_back(&system);
  return list;
}

}  // namespace bench
