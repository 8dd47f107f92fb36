// What the program is asked to do, by its command line or a file.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine_nats.hpp"
#include "exporter.hpp"
#include "importer.hpp"

namespace bridge {

struct Options {
  NatsOptions nats;
  std::vector<ExportOptions> exports;
  std::vector<ImportOptions> imports;
  std::string metrics;                    ///< A file; empty: none.
  std::chrono::milliseconds grace{5000};  ///< For calls in flight when the program is to end.
};

/// Nothing if the program has nothing to do but to exit with `code`: it has said why.
std::optional<Options> options_of(int argc, char** argv, int& code);

}  // namespace bridge
