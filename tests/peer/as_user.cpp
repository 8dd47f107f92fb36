#ifdef __linux__

#include "role.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <shared_channel/inspect.hpp>
#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

using namespace test_support;
using namespace shared_channel;

static void become(const peer::Arguments& arguments) {
  const auto user = static_cast<uid_t>(std::stoul(arguments.at(0)));
  const auto group = static_cast<gid_t>(std::stoul(arguments.at(1)));
  if (::setgroups(0, nullptr) != 0 || ::setgid(group) != 0 || ::setuid(user) != 0)
    throw std::runtime_error("cannot change user");
}

static void close_descriptors(const std::string& prefix) {
  std::vector<int> ours;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string().starts_with(prefix))
      ours.push_back(std::stoi(entry.path().filename()));
  }
  for (const int descriptor : ours) ::close(descriptor);
}

static ServerUser server_user(const peer::Arguments& arguments) {
  if (arguments.size() <= 3) return ServerUser::mine_or_system();
  if (arguments[3] == "any") return ServerUser::any();
  return ServerUser::uid(static_cast<std::uint32_t>(std::stoul(arguments[3])));
}

// serve_as USER GROUP NAME [everyone]: says "ready" and echoes until it hears no more, or says what went wrong.
const peer::Role serve_as{"serve_as", [](const peer::Arguments& arguments) {
                            become(arguments);
                            ServerOptions options;
                            if (arguments.size() > 3) options.access = Access::everyone();
                            auto server = Channel::Server::create(arguments.at(2), options);
                            if (!server) {
                              peer::say(to_string(server.error().code()));
                              return 0;
                            }
                            server->start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
                            peer::say("ready");
                            peer::hear();
                            return 0;
                          }};

// drop_to USER GROUP NAME [ROOT]: makes a server, changes its root directory, becomes that user, says "ready", echoes
// until it hears no more, and ends.
const peer::Role drop_to{"drop_to", [](const peer::Arguments& arguments) {
                           const bool moves = arguments.size() > 3;
                           const int old_root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                           {
                             Channel::Server server(arguments.at(2));
                             if (moves && (::chroot(arguments[3].c_str()) != 0 || ::chdir("/") != 0))
                               throw std::runtime_error("cannot change the root directory");
                             become(arguments);
                             server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
                             peer::say("ready");
                             peer::hear();
                           }
                           peer::say("ended");
                           // Back, for the leak checker, which looks for /proc when the program ends.
                           return moves && (::fchdir(old_root) != 0 || ::chroot(".") != 0) ? 1 : 0;
                         }};

// drop_renewing USER GROUP NAME [closing]: the same, and may close the descriptors of its channel before it becomes
// that user. Says "ready", and when it hears something how it has ended by itself; ends when it hears no more.
const peer::Role drop_renewing{"drop_renewing", [](const peer::Arguments& arguments) {
                                 Channel::Server server(arguments.at(2));
                                 if (arguments.size() > 3) close_descriptors("/dev/shm/shared_channel." + arguments[2]);
                                 become(arguments);
                                 server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
                                 peer::say("ready");
                                 if (!peer::hear()) return 0;
                                 const auto ended = server.wait(std::chrono::seconds(60));
                                 peer::say(ended ? "stopped" : std::string(ended.error().message()));
                                 return 0;
                               }};

// call_unmapped NAME [any]: one call out of a user namespace that maps nobody; says "ok" or what went wrong.
const peer::Role call_unmapped{"call_unmapped", [](const peer::Arguments& arguments) {
                                 if (::unshare(CLONE_NEWUSER) != 0) {
                                   peer::say("no namespace");
                                   return 0;
                                 }
                                 ClientOptions options;
                                 if (arguments.size() > 1) options.server = ServerUser::any();
                                 const auto answer =
                                     Channel::Client(arguments.at(0), options).call(echo(1), std::chrono::seconds(60));
                                 peer::say(answer ? "ok" : std::string(answer.error().message()));
                                 return 0;
                               }};

// call_as USER GROUP NAME [any | the number of the server's user]: one call; says "ok" or what went wrong.
const peer::Role call_as{"call_as", [](const peer::Arguments& arguments) {
                           become(arguments);
                           ClientOptions options;
                           options.server = server_user(arguments);
                           const auto answer =
                               Channel::Client(arguments.at(2), options).call(echo(1), std::chrono::seconds(60));
                           peer::say(answer ? "ok" : to_string(answer.error().code()));
                           return 0;
                         }};

// inspect_as USER GROUP NAME: what that user sees of the channel.
const peer::Role inspect_as{"inspect_as", [](const peer::Arguments& arguments) {
                              become(arguments);
                              const auto names = list_channels().value();
                              const bool is_listed =
                                  std::find(names.begin(), names.end(), arguments.at(2)) != names.end();
                              const auto info = inspect(arguments.at(2));
                              peer::say((is_listed ? "listed " : "missing ") +
                                        std::string(info ? to_string(info->state) : to_string(info.error().code())));
                              return 0;
                            }};

// peek_as USER GROUP NAME: for each number that it hears, how often that lies in a live server's segment.
const peer::Role peek_as{"peek_as", [](const peer::Arguments& arguments) {
                           become(arguments);
                           const auto names = detail::Names::make(arguments.at(2), Scope::session).value();
                           const auto live = detail::platform::ServerLease::current_generation(names).value();
                           const auto segment =
                               detail::platform::Mapping::open(names, names.segment(live.generation)).value();
                           while (const auto line = peer::hear()) {
                             const std::uint64_t wanted = std::stoull(*line);
                             int found = 0;
                             for (std::size_t at = 0; at + sizeof wanted <= segment.size(); at += 4)
                               found += std::memcmp(segment.data() + at, &wanted, sizeof wanted) == 0;
                             peer::say(std::to_string(found));
                           }
                           return 0;
                         }};

// intrude_as USER GROUP NAME: what an admitted client might try against a live server. It says which of the server's
// objects it could write or lock, makes a generation of its own and tries to publish it; then it keeps its locks until
// it hears no more.
const peer::Role intrude_as{
    "intrude_as", [](const peer::Arguments& arguments) {
      const auto names = detail::Names::make(arguments.at(2), Scope::session).value();
      const auto live = detail::platform::ServerLease::current_generation(names).value().generation;
      become(arguments);
      const auto open = [](const std::string& object, int flags) {
        return ::open(("/dev/shm/" + object).c_str(), flags | O_CLOEXEC, 0666);
      };
      std::string done;
      const auto tell = [&done](bool succeeded, const char* what) {
        if (succeeded) done += std::string(done.empty() ? "" : " ") + what;
      };
      const std::string record = "/dev/shm/" + names.rendezvous();
      tell(open(names.rendezvous(), O_RDWR) >= 0, "record");
      tell(open(names.server_page(live), O_RDWR) >= 0, "page");
      tell(::truncate(record.c_str(), 0) == 0, "truncated");
      tell(::unlink(record.c_str()) == 0, "unlinked");

      // Every byte of all that can be opened at all, which must not be what keeps a server from its name.
      for (const std::string& object : {names.rendezvous(), names.server_page(live), names.server_lock()}) {
        const int file = open(object, O_RDONLY);
        struct flock all {};
        all.l_type = F_RDLCK;
        all.l_whence = SEEK_SET;
        // To have it open is enough: its lock is free when the server ends.
        tell(file >= 0 && object == names.server_lock(), "lock");
        if (file >= 0) static_cast<void>(::fcntl(file, F_OFD_SETLK, &all));
      }

      constexpr std::uint64_t own = 0x6666'6666'6666'6666;
      for (const std::string& object : {names.server_page(own), names.segment(own)}) {
        const int file = open(object, O_RDWR | O_CREAT | O_EXCL);
        if (file < 0 || ::ftruncate(file, 1 << 16) != 0) throw std::runtime_error("cannot make " + object);
      }
      for (const int flags : {O_RDWR, O_WRONLY, O_RDONLY}) {
        const int file = open(names.rendezvous(), flags);
        tell(file >= 0 && ::pwrite(file, &own, sizeof own, 16) == ssize_t{sizeof own}, "published");
      }
      peer::say(done.empty() ? "nothing" : done);
      peer::hear();
      for (const std::string& object : {names.server_page(own), names.segment(own)}) {
        ::unlink(("/dev/shm/" + object).c_str());
      }
      return 0;
    }};

#endif
