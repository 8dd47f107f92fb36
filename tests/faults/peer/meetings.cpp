// Histories that need the threads of one process at certain points at certain times.
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include "armed.hpp"
#include "faults/job.hpp"
#include "faults/segment.hpp"
#include "peer/role.hpp"
#include "support/eventually.hpp"

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using test_support::wait_for;

// restless NAME: serves a channel one of whose slots asks for the next call whenever a worker has marked the last; says
// how another's call ended, and whether damage was counted, and "over" when the server has ended.
const peer::Role restless{"restless", [](const peer::Arguments& arguments) {
                            {
                              std::optional<LiveSegment> segment;  // to the end: the server's threads write there
                              ServerOptions options;
                              options.max_calls = 2;
                              Jobs::Server server(arguments.at(0), options);
                              segment.emplace(arguments[0]);
                              detail::Slot& slot = segment->slot_array()[0];
                              segment->header().high_water = 1;
                              slot.owner = 999;
                              slot.request = detail::State(1, detail::Phase::posted).word();
                              test_points::at("server_marked_taken", [&slot] {
                                const std::uint32_t last = detail::load_request(slot).sequence();
                                slot.request = detail::State(last + 1, detail::Phase::posted).word();
                              });
                              server.start([](const Job& job) { return answer_to(job); }).value();
                              const auto answer = Jobs::Client(arguments[0]).call({1, 0, 0}, 10s);
                              peer::say(answer ? "answered" : to_string(answer.error().code()));
                              peer::say(server.damaged_slots() > 0 ? "counted" : "not counted");
                            }
                            peer::say("over");
                            return 0;
                          }};

// unreadable NAME: pulls requests from a channel where one follows another that cannot be read; says whether it was let
// go in time.
const peer::Role unreadable{"unreadable", [](const peer::Arguments& arguments) {
                              const MessageShape letters{1000, 16, true, {}};
                              RawServer server(arguments.at(0), {letters, letters});
                              const LiveSegment segment(arguments[0]);
                              detail::Slot& slot = segment.slot_array()[0];
                              segment.header().high_water = 1;
                              const auto ask = [&slot](std::uint32_t call) {
                                slot.length = ~0U;
                                slot.request = detail::State(call, detail::Phase::posted).word();
                              };
                              test_points::at("server_unlocks_slot",
                                              [&] { ask(detail::load_request(slot).sequence() + 1); });
                              ask(1);
                              const auto began = std::chrono::steady_clock::now();
                              const bool is_none = !server.next(50ms).value();
                              const auto took = std::chrono::steady_clock::now() - began;
                              peer::say(is_none && took >= 50ms ? "let go" : "too early");
                              peer::say(server.stats().malformed > 0 ? "some read" : "none read");
                              test_points::at("server_unlocks_slot", [] {});
                              return 0;
                            }};

// stopped_before_taking NAME: a server stops as a worker has seen a call and not yet taken it. Says whether the handler
// ran after stop() had returned, and what the caller got.
const peer::Role stopped_before_taking{"stopped_before_taking", [](const peer::Arguments& arguments) {
                                         std::atomic<bool> is_seen{false}, has_stopped{false}, has_run{false};
                                         test_points::at("server_locked_slot", [&] {
                                           is_seen = true;
                                           wait_for(has_stopped);
                                         });
                                         Jobs::Server server(arguments.at(0));
                                         server
                                             .start([&](const Job& job) {
                                               has_run = true;
                                               return answer_to(job);
                                             })
                                             .value();
                                         Jobs::Client client(arguments[0]);
                                         std::thread stopping([&] {
                                           wait_for(is_seen);
                                           server.stop();
                                           has_stopped = true;
                                         });
                                         const auto answer = client.call({1, 0, 0}, 60s);
                                         stopping.join();
                                         peer::say(has_run ? "executed" : "not executed");
                                         peer::say(answer ? "answered" : to_string(answer.error().code()));
                                         return 0;
                                       }};

// withdrawn_at_stop NAME: a server stops as a worker is about to take a call, whose caller withdraws it for a moment.
// Says whether the handler thought then that somebody waits, what the caller got, and how the call was counted.
const peer::Role withdrawn_at_stop{
    "withdrawn_at_stop", [](const peer::Arguments& arguments) {
      std::atomic<bool> is_posted{false}, is_about_to_take{false}, is_given_up{false}, has_begun{false},
          is_withdrawn{false}, is_left{false}, is_wanted{false};
      Jobs::Server server(arguments.at(0));
      Jobs::Client client(arguments[0]);
      client.wait_for_server(60s).value();
      test_points::at("client_posted", [&] {
        is_posted = true;
        wait_for(is_about_to_take);
        server.stop();
      });
      test_points::at("server_takes", [&] {
        is_about_to_take = true;
        wait_for(is_given_up);
      });
      test_points::at("client_gives_up", [&] {
        is_given_up = true;
        wait_for(has_begun);
      });
      test_points::at("client_withdrew", [&] {
        is_withdrawn = true;
        wait_for(is_left);
      });
      test_points::at("server_unlocks_slot", [&] { is_left = true; });
      std::thread serving([&] {
        wait_for(is_posted);
        const auto handler = [&](const Job& job, const CallContext& context) {
          has_begun = true;
          wait_for(is_withdrawn);
          is_wanted = !context.cancelled();
          return answer_to(job);
        };
        static_cast<void>(server.serve_one(handler, 60s));
      });
      const auto answer = client.call({1, 0, 0}, 60s);
      serving.join();
      peer::say(is_wanted ? "wanted" : "not wanted");
      peer::say(answer ? "answered" : to_string(answer.error().code()));
      const ServerStats stats = server.stats();
      peer::say(std::to_string(stats.done) + " done, " + std::to_string(stats.abandoned) + " abandoned");
      return 0;
    }};
