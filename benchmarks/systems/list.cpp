#include "list.hpp"

#include <stdexcept>
#include <string>

namespace bench {

namespace {

// A peer whose package was not there when this was built.
class Skipped final : public System {
 public:
  explicit Skipped(std::string_view name) : name_(name) {}

  std::string_view name() const override { return name_; }
  Kind kind() const override { return Kind::skipped; }
  bool fits(const Shape&) const override { return false; }
  void serve(const Session&) const override {}
  void run_client(const Session&, unsigned) const override {}
  void idle_client(const Session&, unsigned) const override {}

 private:
  std::string_view name_;
};

std::vector<const System*> make_list() {
  std::vector<const System*> list{&one_line(), &two_lines(), &copies_by_hand(), &in_place_by_hand()};
#ifdef _WIN32
  list.insert(list.end(), {&exec_done_events(), &published_recipe(), &named_pipe()});
#else
  list.insert(list.end(), {&futex(), &pipe(), &unix_stream(), &unix_seqpacket(), &posix_mq()});
#ifdef BENCH_BOOST
  list.push_back(&boost_mq());
#else
  static const Skipped no_boost("Boost message_queue");
  list.push_back(&no_boost);
#endif
#ifdef BENCH_ZEROMQ
  list.push_back(&zeromq());
#else
  static const Skipped no_zeromq("ZeroMQ");
  list.push_back(&no_zeromq);
#endif
#ifdef BENCH_NNG
  list.push_back(&nng());
#else
  static const Skipped no_nng("nng");
  list.push_back(&no_nng);
#endif
#ifdef BENCH_ICEORYX
  for (const System* system : iceoryx()) list.push_back(system);
#else
  static const Skipped no_iceoryx("iceoryx");
  list.push_back(&no_iceoryx);
#endif
#endif
  for (const System* system : library()) list.push_back(system);
#ifdef BENCH_C
  for (const System* system : c_interface()) list.push_back(system);
#endif
  return list;
}

}  // namespace

const std::vector<const System*>& all_systems() {
  static const std::vector<const System*> list = make_list();
  return list;
}

const System& system_named(std::string_view name) {
  for (const System* system : all_systems())
    if (system->name() == name) return *system;
  throw std::invalid_argument("no such system: " + std::string(name));
}

}  // namespace bench
