// Requests and responses of iceoryx. Its clients copy their messages in and out, or write and read them where they lie;
// the server always writes a response straight from the request.
#include <atomic>
#include <chrono>
#include <iceoryx_posh/popo/untyped_client.hpp>
#include <iceoryx_posh/popo/untyped_server.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <thread>

#include "iceoryx_daemon.hpp"
#include "in_place.hpp"
#include "list.hpp"

namespace bench {

namespace {

namespace popo = iox::popo;

// Every sample has a RouDi of its own, so the service may always be the same.
iox::capro::ServiceDescription service() { return {"shared_channel", "benchmark", "echo"}; }

constexpr std::uint32_t alignment = iox::CHUNK_DEFAULT_USER_PAYLOAD_ALIGNMENT;  // with 64 a small call takes longer

template <class Outcome>
void require(const Outcome& outcome, const char* what) {
  if (outcome.has_error())
    throw std::runtime_error(std::string("iceoryx: ") + what + ": " + asStringLiteral(outcome.get_error()));
}

template <class Outcome>
auto* chunk(Outcome&& outcome, const char* what) {
  require(outcome, what);
  return outcome.value();
}

ConstWords words_at(const void* data, std::size_t count) { return {static_cast<const std::uint64_t*>(data), count}; }
Words words_at(void* data, std::size_t count) { return {static_cast<std::uint64_t*>(data), count}; }

// Waits until there may be something to take: asleep, in the way that iceoryx has for it.
class Sleeper {
 public:
  template <class Endpoint, class State>
  Sleeper(Endpoint& endpoint, State state) {
    if (set_.attachState(endpoint, state).has_error()) throw std::runtime_error("iceoryx: a WaitSet refused");
  }
  void wait() { set_.wait(); }
  void stop() { set_.markForDestruction(); }

 private:
  popo::WaitSet<1> set_;
};

// The same without letting go of the core.
struct Spinner {
  template <class Endpoint, class State>
  Spinner(Endpoint&, State) {}
  void wait() { pause(); }
  void stop() {}
};

// The queues are left as they are. A request that found the server's full would be lost, but it holds 1024, and no
// client has more than one on its way.
template <class Waiter>
class IceoryxServer {
 public:
  explicit IceoryxServer(const Session& session)
      : daemon_(session),
        words_(session.shape().size / 8),
        server_(service()),
        waiter_(server_, popo::ServerState::HAS_REQUEST) {}

  void serve() {
    while (!stopped_.load(std::memory_order_relaxed)) {
      const auto taken = server_.take();
      if (!taken.has_error())
        answer(taken.value());
      else if (taken.get_error() == popo::ServerRequestResult::NO_PENDING_REQUESTS)
        waiter_.wait();
      else
        require(taken, "take");
    }
  }
  void stop() {
    stopped_ = true;
    waiter_.stop();
  }

 private:
  void answer(const void* request) {
    const auto size = static_cast<std::uint32_t>(words_ * 8);
    void* const response = chunk(server_.loan(popo::RequestHeader::fromPayload(request), size, alignment), "loan");
    answer_in_place(words_at(request, words_), words_at(response, words_));
    require(server_.send(response), "send");
    server_.releaseRequest(request);
  }

  roudi::Daemon daemon_;
  std::size_t words_;
  popo::UntypedServer server_;
  Waiter waiter_;
  std::atomic<bool> stopped_{false};
};

template <class Waiter>
class IceoryxClient {
 public:
  IceoryxClient(const Session& session, unsigned index)
      : joined_(join(session, index)),
        words_(session.shape().size / 8),
        client_(service()),
        waiter_(client_, popo::ClientState::HAS_RESPONSE) {
    while (client_.getConnectionState() != iox::ConnectionState::CONNECTED)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 protected:
  template <class Write, class Read>
  void call_with(Write&& write, Read&& read) {
    void* const request = chunk(client_.loan(static_cast<std::uint32_t>(words_ * 8), alignment), "loan");
    write(words_at(request, words_));
    require(client_.send(request), "send");
    const void* const response = await();
    read(words_at(response, words_));
    client_.releaseResponse(response);
  }

 private:
  static bool join(const Session& session, unsigned index) {
    roudi::be_quiet();
    iox::runtime::PoshRuntime::initRuntime(roudi::runtime_name(roudi::client_name(session.channel(), index)));
    return true;
  }

  const void* await() {
    for (;;) {
      const auto taken = client_.take();
      if (!taken.has_error()) return taken.value();
      if (taken.get_error() != popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE) require(taken, "take");
      waiter_.wait();
    }
  }

  bool joined_;
  std::size_t words_;
  popo::UntypedClient client_;
  Waiter waiter_;
};

template <class Waiter>
struct Iceoryx {
  static constexpr auto kind = Kind::peer;
  static constexpr bool spins = std::is_same_v<Waiter, Spinner>;
  using Server = IceoryxServer<Waiter>;
};

template <class Waiter>
struct Copying : Iceoryx<Waiter> {
  static constexpr auto name = Iceoryx<Waiter>::spins ? "iceoryx spinning" : "iceoryx sleeping";
  static bool fits(const Shape&) { return true; }

  struct Client : IceoryxClient<Waiter> {
    using IceoryxClient<Waiter>::IceoryxClient;
    void round_trip(Messages& messages) {
      this->call_with([&](Words request) { copy(request.data(), messages.request(), messages.size()); },
                      [&](ConstWords response) { copy(messages.reply(), response.data(), messages.size()); });
    }
  };
};

template <class Waiter>
struct InPlace : Iceoryx<Waiter> {
  static constexpr auto name = Iceoryx<Waiter>::spins ? "iceoryx in place spinning" : "iceoryx in place sleeping";
  static bool fits(const Shape& shape) { return shape.clients == 1 && shape.size >= 4096; }

  struct Client : IceoryxClient<Waiter> {
    using IceoryxClient<Waiter>::IceoryxClient;
    void round_trip(Messages& messages) {
      this->call_with([&](Words request) { fill(request, messages.sequence()); },
                      [&](ConstWords response) { read_in_place(response, messages); });
    }
  };
};

}  // namespace

std::vector<const System*> iceoryx() {
  static const SystemOf<Copying<Spinner>> spinning;
  static const SystemOf<Copying<Sleeper>> sleeping;
  static const SystemOf<InPlace<Spinner>> in_place_spinning;
  static const SystemOf<InPlace<Sleeper>> in_place_sleeping;
  return {&spinning, &sleeping, &in_place_spinning, &in_place_sleeping};
}

}  // namespace bench
