// One queue for all requests, one for each client's replies; the first word in front of a message says whose it is.
#include <mqueue.h>

#include <string>

#include "descriptors.hpp"
#include "list.hpp"

namespace bench {

namespace {

std::string queue_name(std::string_view channel) { return std::string("/").append(channel); }
std::string queue_name(std::string_view channel, unsigned client) {
  return queue_name(channel).append("-").append(std::to_string(client));
}

mqd_t create(const std::string& name, std::size_t size, long length) {
  mq_attr attributes{};
  attributes.mq_maxmsg = length;
  attributes.mq_msgsize = static_cast<long>(size);
  return checked(mq_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600, &attributes), "mq_open");
}

void send_to(mqd_t queue, const std::vector<std::uint64_t>& words) {
  checked(mq_send(queue, reinterpret_cast<const char*>(words.data()), words.size() * 8, 0), "mq_send");
}

void receive_from(mqd_t queue, std::vector<std::uint64_t>& words) {
  if (mq_receive(queue, reinterpret_cast<char*>(words.data()), words.size() * 8, nullptr) < 0) fail("mq_receive");
}

struct PosixMq {
  static constexpr auto name = "POSIX mq";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape& shape) { return shape.size <= 4096; }  // the system's default limit is 8192

  struct Server {
    explicit Server(const Session& session) : words(session.shape().size / 8 + 1) {
      const std::size_t size = words.size() * 8;
      requests = create(queue_name(session.channel()), size, 10);
      for (unsigned i = 0; i < session.shape().clients; ++i)
        replies.push_back(create(queue_name(session.channel(), i), size, 1));
    }
    void serve() {
      for (;;) {
        receive_from(requests, words);
        send_to(replies.at(static_cast<std::size_t>(words[0])), words);
      }
    }
    std::vector<std::uint64_t> words;
    mqd_t requests;
    std::vector<mqd_t> replies;
  };

  struct Client {
    Client(const Session& session, unsigned index)
        : words(session.shape().size / 8 + 1),
          requests(checked(mq_open(queue_name(session.channel()).c_str(), O_WRONLY), "mq_open")),
          replies(checked(mq_open(queue_name(session.channel(), index).c_str(), O_RDONLY), "mq_open")) {
      words[0] = index;
    }
    void round_trip(Messages& messages) {
      copy(&words[1], messages.request(), messages.size());
      send_to(requests, words);
      receive_from(replies, words);
      copy(messages.reply(), &words[1], messages.size());
    }
    std::vector<std::uint64_t> words;
    mqd_t requests;
    mqd_t replies;
  };

  static void clean_up(std::string_view channel) {
    mq_unlink(queue_name(channel).c_str());
    for (unsigned i = 0; i < most_clients; ++i) mq_unlink(queue_name(channel, i).c_str());
  }
};

}  // namespace

const System& posix_mq() {
  static const SystemOf<PosixMq> system;
  return system;
}

}  // namespace bench
