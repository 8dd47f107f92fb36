// NATS as the engine.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "engine.hpp"
#include "log.hpp"

namespace bridge {

/// How to get in. What is empty is not used.
struct NatsOptions {
  std::string url = "nats://127.0.0.1:4222";  ///< Or several, with commas between.
  std::string name;                           ///< Shown by the server's monitoring.
  std::string credentials;                    ///< A file of a JWT and its seed.
  std::string user, password, token;
  std::string ca, certificate, key;  ///< PEM files; with any of them the connection is TLS.
  /// For the connection to take a message; then it is given up.
  std::chrono::milliseconds write_deadline{1000};
};

/// `log` is told what the server forbids.
std::unique_ptr<Engine> make_nats_engine(NatsOptions options, Log log);

}  // namespace bridge
