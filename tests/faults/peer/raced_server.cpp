#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "armed.hpp"
#include "faults/job.hpp"
#include "peer/role.hpp"

using namespace faults;
using namespace shared_channel;

namespace {

/// The generation that a record announces.
std::uint64_t announced_by(const detail::Names& names) {
  std::uint64_t number = 0;
  const int record = ::open(("/dev/shm/" + names.rendezvous()).c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_read =
      ::pread(record, &number, sizeof number, offsetof(detail::Rendezvous, announced)) == sizeof number;
  ::close(record);
  return is_read ? number : 0;
}

}  // namespace

// raced_server NAME PART TIMES: serves, while somebody takes the name of its PART (page or segment) first, TIMES over.
// Says "made", or why not.
const peer::Role raced_server{
    "raced_server", [](const peer::Arguments& arguments) {
      const auto names = detail::Names::make(arguments.at(0), Scope::session).value();
      const bool is_page = arguments.at(1) == "page";
      std::vector<std::string> taken;
      test_points::at("server_announced_generation", [&] {
        if (taken.size() >= std::stoul(arguments.at(2))) return;
        const std::uint64_t number = announced_by(names);
        taken.push_back("/dev/shm/" + (is_page ? names.server_page(number) : names.segment(number)));
        ::close(::open(taken.back().c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      });
      auto server = Jobs::Server::create(arguments[0]);
      for (const auto& path : taken) ::unlink(path.c_str());
      if (server) server->start([](const Job& job) { return answer_to(job); }).value();
      peer::say(server ? "made" : to_string(server.error().code()));
      if (server) peer::hear();
      return 0;
    }};
#endif
