// What a server and a client come to where a sandbox refuses one of the system's calls.
#ifdef __linux__
#include "role.hpp"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <thread>

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

using namespace test_support;
using namespace shared_channel;

namespace {

const std::map<std::string, unsigned>& calls() {
  static const std::map<std::string, unsigned> numbers{
      {"openat", SYS_openat},
      {"fcntl", SYS_fcntl},
      {"fstat", SYS_fstat},
#ifdef SYS_newfstatat
      {"newfstatat", SYS_newfstatat},
#endif
#ifdef SYS_fcntl64
      {"fcntl64", SYS_fcntl64},
#endif
      {"lseek", SYS_lseek},
#ifdef SYS__llseek
      {"_llseek", SYS__llseek},
#endif
      {"statx", SYS_statx},
      {"fstatfs", SYS_fstatfs},
      {"fallocate", SYS_fallocate},
      {"getdents64", SYS_getdents64},
      {"fchmod", SYS_fchmod},
      {"fchown", SYS_fchown},
      {"ftruncate", SYS_ftruncate},
      {"pread64", SYS_pread64},
      {"pwrite64", SYS_pwrite64},
#ifdef SYS_unlink
      {"unlink", SYS_unlink},
#endif
      {"unlinkat", SYS_unlinkat},
      {"close", SYS_close},
      {"munmap", SYS_munmap},
      {"mprotect", SYS_mprotect},
      {"madvise", SYS_madvise},
      {"socketpair", SYS_socketpair},
      {"sendto", SYS_sendto},
      {"recvfrom", SYS_recvfrom},
      {"getrandom", SYS_getrandom},
      {"geteuid", SYS_geteuid},
      {"gettid", SYS_gettid},
      {"prlimit64", SYS_prlimit64},
      {"set_robust_list", SYS_set_robust_list},
      {"get_robust_list", SYS_get_robust_list},
      {"rt_sigprocmask", SYS_rt_sigprocmask},
      {"clone3", SYS_clone3},
      {"sched_getaffinity", SYS_sched_getaffinity},
      {"sched_yield", SYS_sched_yield},
      {"clock_nanosleep", SYS_clock_nanosleep},
#ifdef SYS_poll
      {"poll", SYS_poll},
#endif
      {"futex", SYS_futex},
#ifdef SYS_futex_time64
      {"futex_time64", SYS_futex_time64},
#endif
      {"futex_waitv", 449},
  };
  return numbers;
}

/// For all threads that there are.
bool install(sock_filter* filter, std::size_t length) {
  const sock_fprog program{static_cast<unsigned short>(length), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

/// libc's own waits go by other operations of futex than ours, and it ends the program where they are refused.
bool refuse(const std::string& call, unsigned error) {
  const unsigned number = calls().at(call);
  const bool is_futex = call == "futex" || call == "futex_time64";
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, static_cast<std::uint8_t>(is_futex ? 4 : 1)),
      is_futex ? sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1]))
               : sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      is_futex ? sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_BITSET, 1, 0)
               : sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return install(filter, sizeof filter / sizeof *filter);
}

/// A fallocate() of more than `most` bytes is interrupted, as by a storm of signals on kernels that let any signal do
/// so.
bool interrupt_long_pieces(std::uint32_t most) {
#if defined(__LP64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[3])),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, most, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINTR),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return install(filter, sizeof filter / sizeof *filter);
#else
  static_cast<void>(most);
  return false;
#endif
}

/// Processor time of this process, in milliseconds.
long spent() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

/// As CALL and ERRNO of a role say.
bool refuse(const peer::Arguments& arguments) {
  return refuse(arguments.at(1), static_cast<unsigned>(std::stoul(arguments.at(2))));
}

std::string outcome_of(const Result<Answer>& answer) {
  return answer ? "answered" : to_string(answer.error().code()).data();
}

}  // namespace

// sandboxed_calls: the calls that the other roles can refuse, in one line.
const peer::Role sandboxed_calls{"sandboxed_calls", [](const peer::Arguments&) {
                                   std::string all;
                                   for (const auto& [name, number] : calls()) all += name + ' ';
                                   peer::say(all);
                                   return 0;
                                 }};

// sandboxed_server NAME CALL ERRNO first|later: says how it started, serves until it hears a line, ends, and says its
// CPU time. The call is refused from the beginning, or once the server has started.
const peer::Role sandboxed_server{"sandboxed_server", [](const peer::Arguments& arguments) {
                                    const bool is_late = arguments.at(3) == "later";
                                    bool is_refused = is_late || refuse(arguments);
                                    {
                                      auto server = Channel::Server::create(arguments.at(0), {.max_calls = 4});
                                      Result<void> started;
                                      if (server)
                                        started = server->start([](const Ask& ask) { return Answer{ask.id, 0}; });
                                      if (is_late) is_refused = refuse(arguments);
                                      const bool serves = server && started;
                                      const Errc failure =
                                          serves ? Errc{} : (server ? started.error() : server.error()).code();
                                      peer::say(!is_refused ? "no seccomp" : serves ? "serves" : to_string(failure));
                                      if (serves && is_refused) peer::hear();
                                    }
                                    peer::say(std::to_string(spent()));
                                    return 0;
                                  }};

// interrupted_server NAME: says how a server of 16 MiB was made that gets its memory a piece at a time at most.
const peer::Role interrupted_server{"interrupted_server", [](const peer::Arguments& arguments) {
                                      if (!interrupt_long_pieces(64 << 10)) {
                                        peer::say("no seccomp");
                                        return 0;
                                      }
                                      const auto made = BlockChannel::Server::create(arguments.at(0), {.max_calls = 8});
                                      peer::say(made ? "made" : to_string(made.error().code()));
                                      return 0;
                                    }};

// sandboxed_client NAME CALL ERRNO first|later: calls a server, idly waits for one long answer, and says how it went
// and its CPU time. The call is refused from the beginning, or once the client is attached.
const peer::Role sandboxed_client{
    "sandboxed_client", [](const peer::Arguments& arguments) {
      {
        Channel::Client client(arguments.at(0));
        if (arguments.at(3) == "later") (void)client.call(test_support::echo(1), std::chrono::seconds(20));
        if (!refuse(arguments)) {
          peer::say("no seccomp");
          return 0;
        }
        const auto first = client.call(test_support::echo(1), std::chrono::milliseconds(500));
        const auto second = client.call(nap(300), std::chrono::seconds(1));
        auto third = client.call_async(test_support::echo(3), std::chrono::milliseconds(500));
        peer::say(outcome_of(first) + ' ' + outcome_of(second) + ' ' + outcome_of(third.get()));
      }
      peer::say(std::to_string(spent()));
      return 0;
    }};
#endif
