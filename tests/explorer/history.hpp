// A history in words.
#pragma once

#include <iterator>
#include <string>

#include "events.hpp"

namespace explorer {

/// An event of `kind` that happens to thread `number` in `state`.
inline std::string line_of(const State& state, Kind kind, int number) {
  static const char* const stages[] = {"finished",
                                       "begin",
                                       "claim",
                                       "recover",
                                       "no_slot",
                                       "lock",
                                       "slice",
                                       "slice.recover",
                                       "passed_head",
                                       "announce",
                                       "head_waits",
                                       "hold",
                                       "leave_queue",
                                       "fill",
                                       "post",
                                       "look",
                                       "sleep",
                                       "give_up",
                                       "look_again",
                                       "stopped",
                                       "read",
                                       "release",
                                       "begin",
                                       "high_water",
                                       "examine",
                                       "not_found",
                                       "sleep",
                                       "unannounce",
                                       "handle",
                                       "conclude",
                                       "leave",
                                       "refuse",
                                       "refuse.examine",
                                       "refuse.conclude",
                                       "refuse.end",
                                       "stop",
                                       "stop.end",
                                       "defer.begin",
                                       "defer.conclude",
                                       "defer.look",
                                       "notice.look",
                                       "notice.repair",
                                       "notice.posted",
                                       "notice.announce",
                                       "notice.sleep",
                                       "notice.unannounce",
                                       "notice.fire",
                                       "notice.set",
                                       "notice.fired",
                                       "loop.wait",
                                       "loop.rearm",
                                       "loop.clear",
                                       "loop.tell",
                                       "async.begin",
                                       "async.claim",
                                       "async.wait",
                                       "async.recover",
                                       "async.post",
                                       "async.pick",
                                       "async.look",
                                       "async.stopped",
                                       "async.give_up",
                                       "async.look_again",
                                       "async.read",
                                       "async.release"};
  static_assert(std::size(stages) == a_release + 1);
  static const char* const names[kinds] = {"",
                                           "stores",
                                           "is told of the server's death",
                                           "looks around",
                                           "dies",
                                           "stands still",
                                           "the server dies",
                                           "expires",
                                           "wakes for no reason"};
  std::string line = (number < plan.clients ? "client " : "server ") + std::to_string(number) + " " + names[kind] +
                     " at " + stages[state.thread[static_cast<std::size_t>(number)].stage] + " [";
  for (const Value value : state.memory) line += std::to_string(value) + " ";
  line.back() = ']';
  return line;
}

}  // namespace explorer
