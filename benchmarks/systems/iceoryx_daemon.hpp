// RouDi, the daemon without which no process can use iceoryx, as a part of the benchmark's server process.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_hoofs/posix_wrapper/file_lock.hpp>
#include <iceoryx_posh/iceoryx_posh_config.hpp>
#include <iceoryx_posh/internal/roudi/roudi.hpp>
#include <iceoryx_posh/roudi/iceoryx_roudi_components.hpp>
#include <iceoryx_posh/runtime/posh_runtime_single_process.hpp>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "../support/session.hpp"
#include "descriptors.hpp"

namespace bench::roudi {

inline std::string server_name(std::string_view channel) { return std::string(channel); }
inline std::string client_name(std::string_view channel, unsigned index) {
  return std::string(channel) + "-" + std::to_string(index);
}
inline iox::RuntimeName_t runtime_name(const std::string& name) { return {iox::cxx::TruncateToCapacity, name}; }

// Its chatter on its way up would stand among the results.
inline void be_quiet() {
  iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kOff,
                                                           iox::log::LogLevelOutput::kHideLogLevel);
  for (std::ostream* stream : {&std::cout, &std::clog}) stream->setstate(std::ios::failbit);
}

// The segment of the messages has the name of a group of users.
inline iox::posix::PosixGroup::string_t own_group() {
  return iox::posix::PosixGroup::getGroupOfCurrentProcess().getName();
}

// Removes what processes leave behind that end without their destructors, as clients do here. All daemons of a machine
// have the same names: false, and theirs are not touched, where one runs.
inline bool remove_names(std::string_view channel) {
  const auto remove = [](const std::string& name) {
    std::error_code ignored;
    std::filesystem::remove(iox::platform::IOX_UDS_SOCKET_PATH_PREFIX + name, ignored);
    std::filesystem::remove(iox::platform::IOX_LOCK_FILE_PATH_PREFIX + name + ".lock", ignored);
  };
  remove(server_name(channel));
  for (unsigned i = 0; i < most_clients; ++i) remove(client_name(channel, i));

  const auto lock = iox::posix::FileLock::create(iox::roudi::ROUDI_LOCK_NAME);
  if (lock.has_error()) return false;
  remove(iox::roudi::IPC_CHANNEL_ROUDI_NAME);
  shm_unlink(iox::roudi::SHM_NAME);
  shm_unlink(own_group().c_str());
  return true;
}

// Removes the names when the server ends: itself, or, should the server be killed, by a process that outlives it.
class Sweeper {
 public:
  explicit Sweeper(std::string_view channel) : channel_(channel) {
    // A pidfd tells of an end when all files are closed, and so RouDi's lock is free.
    const Descriptor server(checked(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)), "pidfd_open"));
    process_ = checked(fork(), "fork");
    if (process_ == 0) outlive(server);
    while (getsid(process_) != process_) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;
  ~Sweeper() {
    remove_names(channel_);
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }

 private:
  [[noreturn]] void outlive(int server) const {
    setsid();  // out of the reach of Ctrl-C
    pollfd ended{server, POLLIN, 0};
    poll(&ended, 1, -1);
    remove_names(channel_);
    _exit(0);
  }

  std::string channel_;
  pid_t process_ = -1;
};

// RouDi would start with pools for messages of many sizes. This one has a single pool, whose chunks fit the benchmark's
// messages, and of these as many as all sides can hold at once: each client a request and a reply, with the one
// before, which iceoryx keeps to use it again, and the server likewise.
inline iox::RouDiConfig_t pools_for(const Shape& shape) {
  constexpr std::uint32_t header = 256;  // more than iceoryx puts before a message
  iox::mepoo::MePooConfig pools;
  pools.addMemPool({shape.size + header, 4 * shape.clients + 8});
  iox::RouDiConfig_t config;
  config.m_sharedMemorySegments.push_back({own_group(), own_group(), pools});
  return config;
}

// It watches over its clients as the daemon does if nobody tells it otherwise. Its threads, which have next to nothing
// to do during a measurement, run where the server does.
class Daemon {
 public:
  explicit Daemon(const Session& session)
      : sweeper_(alone(session.channel())),
        components_(pools_for(session.shape())),
        daemon_(components_.rouDiMemoryManager, components_.portManager,
                iox::roudi::RouDi::RoudiStartupParameters(iox::roudi::MonitoringMode::ON, false)),
        runtime_(runtime_name(server_name(session.channel()))) {}

 private:
  static std::string_view alone(std::string_view channel) {
    be_quiet();
    for (int tries = 0; !remove_names(channel); ++tries) {  // a sweeper may still be at work
      if (tries == 100) throw std::runtime_error("another RouDi runs, and a machine has room for one");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return channel;
  }

  Sweeper sweeper_;
  iox::roudi::IceOryxRouDiComponents components_;
  iox::roudi::RouDi daemon_;
  iox::runtime::PoshRuntimeSingleProcess runtime_;
};

}  // namespace bench::roudi
