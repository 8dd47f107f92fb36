// A Qt program calls from its main thread without holding it up, and serves in it. For brevity server and client are
// one program.
#include <shared_channel/shared_channel.hpp>

#include <QCoreApplication>
#include <QMetaObject>
#include <QObject>
#include <QSocketNotifier>
#include <QTimer>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using Doubler = shared_channel::SharedChannel<int>;

// ---- the client: `done` is called on the thread of `context`, which must outlive the client
template <class Done>
void ask(Doubler::Client& client, int value, QObject* context, Done done) {
  const auto posted = client.call_async(value, 10s, [context, done](shared_channel::Result<int> reply) {
    QMetaObject::invokeMethod(
        context, [done, reply] { done(reply); }, Qt::QueuedConnection);
  });
  if (!posted) QTimer::singleShot(0, context, [done, error = posted.error()] { done(error); });
}

int main(int count, char** arguments) {
  QCoreApplication application(count, arguments);
  const std::string name = "qt." + std::to_string(QCoreApplication::applicationPid());

  // ---- the server
  Doubler::Server server(name);
  QSocketNotifier requests(server.native_handle(), QSocketNotifier::Read);
  QObject::connect(&requests, &QSocketNotifier::activated, [&server] {
    const auto answered = server.serve_one([](int value) { return 2 * value; }, 0ns);
    if (!answered) std::puts(answered.error().message().c_str());
  });

  // The client goes before the context of its callbacks: its destructor returns when the last of them has.
  QObject window;
  Doubler::Client client(name);
  ask(client, 21, &window, [](const shared_channel::Result<int>& reply) {
    std::printf("%s\n", reply ? std::to_string(*reply).c_str() : reply.error().message().c_str());
    QCoreApplication::quit();
  });
  return QCoreApplication::exec();
}
