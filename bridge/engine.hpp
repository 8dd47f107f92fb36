// What the bridge needs of whatever carries its messages: to publish under a subject, and to hear what is published
// under others. Nothing is promised of a message but this: it arrives once or not at all.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace bridge {

struct Message {
  std::string_view subject;
  std::string_view reply;            ///< The subject under which an answer is expected; may be empty.
  std::span<const std::byte> bytes;  ///< Until the listener returns.
  /// No message: what was published with this subject for its answer reached nobody, for certain.
  bool reached_nobody = false;
};

/// What became of a message as far as its sender can tell.
enum class Sent {
  perhaps,        ///< It is on its way, or lost.
  not_connected,  ///< Certain: it was not sent.
  too_large,      ///< Certain: it was not sent.
};

class Engine {
 public:
  using Listener = std::function<void(const Message&)>;
  /// Connected or not, and where, or why not.
  using Watcher = std::function<void(bool, const std::string&)>;

  virtual ~Engine() = default;

  /// Before start(). `subject` may end in `.*`. Listeners of one subject are called one at a time, in the order in
  /// which its sender sent; those of distinct subjects at once.
  virtual void listen(std::string subject, Listener listener) = 0;
  /// Before start(). Called when a connection is there and hears everything that it shall, and when it is gone.
  virtual void watch(Watcher watcher) = 0;

  /// Connects, and connects again whenever the connection is gone. What was published on one connection is never sent
  /// on another.
  virtual void start() = 0;
  /// From any thread.
  virtual Sent publish(const std::string& subject, const std::string& reply, std::span<const std::byte> bytes) = 0;
  /// Bytes of the largest message; 0 while not connected.
  virtual std::size_t largest() const = 0;
  /// Ends the subscriptions, so that what comes from then on reaches nobody, has what came before heard, sends what was
  /// published, and disconnects for good. No listener runs afterwards.
  virtual void stop() = 0;
};

}  // namespace bridge
