// shared_channel doctor: what channels need of the system, and how it stands.
#include "channels.hpp"
#include "command.hpp"
#include "system.hpp"
#include "text.hpp"

namespace tool {
namespace {

using Grade = Finding::Grade;

Finding examine_channels(const Common& common) {
  const auto channels = inspect_all(common.scope());
  if (channels) return finding_of(*channels);
  return {Grade::note, "channels", printable(channels.error().message()),
          "name the channel: shared_channel show NAME works without a list"};
}

const char* word_of(Grade grade) { return grade == Grade::good ? "ok" : grade == Grade::note ? "note" : "problem"; }

void print_finding(const Finding& finding) {
  const Colour colour = finding.grade == Grade::good   ? Colour::green
                        : finding.grade == Grade::note ? Colour::yellow
                                                       : Colour::red;
  const std::string word = word_of(finding.grade);
  std::printf("%s%s  %-16s %s\n", coloured(colour, word).c_str(), std::string(7 - word.size(), ' ').c_str(),
              finding.what.c_str(), finding.found.c_str());
  if (!finding.advice.empty()) std::printf("%27s%s\n", "-> ", finding.advice.c_str());
}

int doctor(const Common& common) {
  std::vector<Finding> findings = examine_system();
  findings.push_back(examine_channels(common));
  int code = exit_code::done;
  Json all = Json::array();
  for (const Finding& finding : findings) {
    if (finding.grade == Grade::problem) code = exit_code::problem;
    all.push_back({{"what", finding.what},
                   {"grade", word_of(finding.grade)},
                   {"found", finding.found},
                   {"advice", finding.advice.empty() ? Json(nullptr) : Json(finding.advice)}});
    if (!common.json) print_finding(finding);
  }
  if (common.json) print({{"findings", std::move(all)}});
  return code;
}

}  // namespace

void add_doctor(CLI::App& app, Common& common, Action& action) {
  CLI::App& command =
      add_command(app, common, "doctor", "Say what channels need of the system, how it stands, and what to do",
                  "  shared_channel doctor && echo all is well");
  command.callback([&] { action = [&common] { return doctor(common); }; });
}

}  // namespace tool
