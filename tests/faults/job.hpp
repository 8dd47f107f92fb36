// What the fault peers ask of each other, and the records by which they are judged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <shared_channel/channel.hpp>
#include <shared_channel/detail/platform/platform.hpp>

namespace faults {

struct Job {
  alignas(8) std::uint64_t id;
  std::uint32_t nap_in_microseconds;
  std::uint32_t reserved;
};
struct Done {
  alignas(8) std::uint64_t id;
  alignas(8) std::uint64_t check;
};
using Jobs = shared_channel::SharedChannel<Job, Done>;

/// The same in messages of any length.
struct Letter {
  std::uint64_t id;
  std::uint32_t nap_in_microseconds;
  std::string text;
};
struct Receipt {
  std::uint64_t id;
  std::string text;
};
using Letters = shared_channel::SharedChannel<Letter, Receipt>;

constexpr std::uint64_t check_of(std::uint64_t id) { return id * 0x9E37'79B9'7F4A'7C15 + 1; }
inline std::string text_of(std::uint64_t id) {
  return std::string(static_cast<std::size_t>(id % 300), static_cast<char>('a' + id % 26));
}

inline Done answer_to(const Job& job) { return {job.id, check_of(job.id)}; }
inline Receipt answer_to(const Letter& letter) { return {letter.id, letter.text}; }

inline bool is_answer(const Done& done, std::uint64_t id) { return done.id == id && done.check == check_of(id); }
inline bool is_answer(const Receipt& receipt, std::uint64_t id) {
  return receipt.id == id && receipt.text == text_of(id);
}

template <class Request>
Request request_of(std::uint64_t id, std::uint32_t nap_in_microseconds) {
  if constexpr (std::is_same_v<Request, Letter>)
    return {id, nap_in_microseconds, text_of(id)};
  else
    return {id, nap_in_microseconds, 0};
}

/// How a call ended, from its caller's view.
enum class End : std::uint32_t {
  answered,
  wrong,     // somebody else's answer
  safe,      // an error that says: no handler saw it
  possible,  // an error that says: a handler may have
};

struct Record {
  alignas(8) std::uint64_t id;
  End end;
  std::uint32_t code;  // shared_channel::Errc of the error
  alignas(8) std::int64_t overrun_in_microseconds;
};

/// Values that the processes of a test append to a directory one by one: what was appended stays when the process dies.
/// Each has a file of its own, because Win32 lets those of two processes overwrite each other at a common file's end.
template <class T>
class Journal {
 public:
  explicit Journal(const std::string& directory)
      : file_(std::fopen((directory + "/" + std::to_string(shared_channel::detail::platform::process_id())).c_str(),
                         "ab")) {
    if (file_ == nullptr) throw std::runtime_error("cannot append to a file in " + directory);
    std::setvbuf(file_, nullptr, _IONBF, 0);
  }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal() { std::fclose(file_); }

  void append(const T& value) { std::fwrite(&value, sizeof value, 1, file_); }

  static std::vector<T> read(const std::string& directory) {
    std::vector<T> all;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      std::FILE* file = std::fopen(entry.path().string().c_str(), "rb");
      if (file == nullptr) throw std::runtime_error("cannot read " + entry.path().string());
      T value;
      while (std::fread(&value, sizeof value, 1, file) == 1) all.push_back(value);
      std::fclose(file);
    }
    return all;
  }

 private:
  std::FILE* file_;
};

}  // namespace faults
