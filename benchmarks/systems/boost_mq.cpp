// The same queues as the POSIX ones: one for all requests, one for each client's replies.
#include <boost/interprocess/ipc/message_queue.hpp>
#include <memory>
#include <string>

#include "list.hpp"

namespace bench {

namespace {

namespace ipc = boost::interprocess;
using Queue = ipc::message_queue;

std::string queue_name(std::string_view channel, unsigned client) {
  return std::string(channel) + "-" + std::to_string(client);
}
std::string queue_name(std::string_view channel) { return std::string(channel); }

void receive_from(Queue& queue, std::vector<std::uint64_t>& words) {
  Queue::size_type got = 0;
  unsigned priority = 0;
  queue.receive(words.data(), words.size() * 8, got, priority);
}

struct BoostMq {
  static constexpr auto name = "Boost message_queue";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape&) { return true; }

  struct Server {
    explicit Server(const Session& session)
        : words(session.shape().size / 8 + 1),
          requests(ipc::create_only, queue_name(session.channel()).c_str(), 16, words.size() * 8) {
      for (unsigned i = 0; i < session.shape().clients; ++i)
        replies.push_back(
            std::make_unique<Queue>(ipc::create_only, queue_name(session.channel(), i).c_str(), 1, words.size() * 8));
    }
    void serve() {
      for (;;) {
        receive_from(requests, words);
        replies.at(static_cast<std::size_t>(words[0]))->send(words.data(), words.size() * 8, 0);
      }
    }
    std::vector<std::uint64_t> words;
    Queue requests;
    std::vector<std::unique_ptr<Queue>> replies;
  };

  struct Client {
    Client(const Session& session, unsigned index)
        : words(session.shape().size / 8 + 1),
          requests(ipc::open_only, queue_name(session.channel()).c_str()),
          replies(ipc::open_only, queue_name(session.channel(), index).c_str()) {
      words[0] = index;
    }
    void round_trip(Messages& messages) {
      copy(&words[1], messages.request(), messages.size());
      requests.send(words.data(), words.size() * 8, 0);
      receive_from(replies, words);
      copy(messages.reply(), &words[1], messages.size());
    }
    std::vector<std::uint64_t> words;
    Queue requests;
    Queue replies;
  };

  static void clean_up(std::string_view channel) {
    Queue::remove(queue_name(channel).c_str());
    for (unsigned i = 0; i < most_clients; ++i) Queue::remove(queue_name(channel, i).c_str());
  }
};

}  // namespace

const System& boost_mq() {
  static const SystemOf<BoostMq> system;
  return system;
}

}  // namespace bench
