// Clients, workers and a stopper on the machine. What slot_protocol.hpp, order.hpp and doorbell.hpp decide is called
// here; what surrounds it in client/call.hpp, client/slot_claim.hpp, server/slots.hpp and server/finder.hpp (which need
// clocks, kernels and mappings) is told again, in stages.
#pragma once

#include "async_client.hpp"
#include "client.hpp"
#include "loop.hpp"
#include "worker.hpp"

namespace explorer {

inline Stage run_stage(int thread, Stage stage, Locals& local) {
  if (stage >= a_begin) return run_async_client(thread, stage, local);
  if (stage >= n_look) return run_loop(stage, local);
  return stage < w_begin ? run_client(thread, stage, local) : run_worker(thread, stage, local);
}

}  // namespace explorer
