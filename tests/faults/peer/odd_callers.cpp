#include <chrono>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "faults/job.hpp"
#include "armed.hpp"
#include "peer/role.hpp"

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>
#endif

using namespace faults;
using namespace shared_channel;

namespace {

/// Calls a server whose handler hangs, and says how that ended.
int wait_in(const std::string& name) {
  Jobs::Client client(name);
  client.wait_for_server(std::chrono::seconds(60)).value();
  const auto answer = client.call({1, 0, 0}, std::chrono::seconds(60));
  peer::say(answer ? "answered" : to_string(answer.error().code()));
  return 0;
}

}  // namespace

#ifdef __linux__
// caller_without_waitv NAME ERROR: as where a sandbox answers futex_waitv with ENOSYS or EPERM.
const peer::Role caller_without_waitv{"caller_without_waitv", [](const peer::Arguments& arguments) {
                                        const auto error =
                                            static_cast<unsigned>(arguments.at(1) == "EPERM" ? EPERM : ENOSYS);
                                        constexpr unsigned futex_waitv = 449;
                                        sock_filter filter[] = {
                                            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, futex_waitv, 0, 1),
                                            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
                                            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                                        };
                                        const sock_fprog program{4, filter};
                                        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                                            ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
                                          peer::say("no seccomp");
                                          return 0;
                                        }
                                        return wait_in(arguments.at(0));
                                      }};
#endif

#ifdef _WIN32
// caller_denied NAME: as where OpenProcess is refused.
const peer::Role caller_denied{"caller_denied", [](const peer::Arguments& arguments) {
                                 test_points::deny_open_process();
                                 return wait_in(arguments.at(0));
                               }};
#endif
