// shared_channel top: all channels, again and again.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <memory>
#include <system_error>

#include "arguments.hpp"
#include "channels.hpp"
#include "command.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace tool {
namespace {

using std::chrono::nanoseconds;

enum class Order { rate, name, in_flight, failures, memory };

struct Column {
  Order order;
  char key;
  const char* name;
};
constexpr Column columns[] = {{Order::rate, 'c', "calls"},
                              {Order::name, 'n', "name"},
                              {Order::in_flight, 'f', "flight"},
                              {Order::failures, 'e', "errors"},
                              {Order::memory, 'm', "memory"}};

struct TopSettings {
  nanoseconds interval = std::chrono::seconds(1);
  std::uint64_t count = 0;  // of looks; 0: no limit
  Order order = Order::rate;
};

struct Line {
  ChannelInfo info;
  Rates::Rate rate;
};

class Top {
 public:
  Top(const TopSettings& settings, const Common& common)
      : settings_(settings), common_(common), order_(settings.order) {}

  int run() {
    catch_interrupts();
    const bool is_live = !common_.json && is_terminal() && understands_escapes();
    if (is_live) return run_live();
    for (std::uint64_t look = 0;; ++look) {
      auto lines = inspect_lines();
      if (!lines) return report(common_, exit_code::problem, lines.error());
      if (look != 0 || settings_.count == 1) common_.json ? print_json(*lines) : print_plain(*lines);
      if (!flush_output()) return exit_code::problem;
      if (is_last(look) || !pause_for(settings_.interval)) return exit_code::done;
    }
  }

 private:
  /// Without a first look there are no rates: it is not counted, unless it is the only one.
  [[nodiscard]] bool is_last(std::uint64_t look) const {
    return settings_.count != 0 && look >= settings_.count - (settings_.count == 1 ? 1 : 0);
  }

  int run_live() {
    Screen screen;
    for (std::uint64_t look = 0; !is_interrupted(); ++look) {
      auto lines = inspect_lines();
      if (!lines) {
        problem_ = lines.error().message();
      } else {
        lines_ = *std::move(lines);
        problem_.clear();
      }
      if (!draw()) return exit_code::problem;
      if (settings_.count != 0 && look + 1 >= settings_.count) break;
      if (!serve_keys(screen, look == 0 ? (std::min)(settings_.interval, nanoseconds(std::chrono::milliseconds(250)))
                                        : settings_.interval))
        break;
    }
    return exit_code::done;
  }

  /// Until the next look; false: the user has had enough.
  bool serve_keys(Screen& screen, nanoseconds time) {
    const auto end = after(time);
    for (;;) {
      const nanoseconds left = (std::max)(nanoseconds(end - std::chrono::steady_clock::now()), nanoseconds::zero());
      const char key = screen.key(left);
      if (is_interrupted() || key == 'q' || key == 'Q' || key == '\x03') return false;
      if (key == '\0' && left == nanoseconds::zero()) return true;  // keys are served however often one looks
      if (key == Screen::redraw && !draw()) return false;
      for (const Column& column : columns) {
        if (column.key != key) continue;
        order_ = column.order;
        sort(lines_);
        if (!draw()) return false;
      }
    }
  }

  shared_channel::Result<std::vector<Line>> inspect_lines() {
    auto channels = inspect_all(common_.scope());
    if (!channels) return std::move(channels).error();
    std::vector<Line> lines;
    for (ChannelInfo& info : *channels) {
      const auto rate = rates_.update(info);
      lines.push_back({std::move(info), rate});
    }
    sort(lines);
    return lines;
  }

  void sort(std::vector<Line>& lines) const {
    const auto weight = [&](const Line& line) -> double {
      switch (order_) {
        case Order::rate:
          return line.rate.calls.value_or(-1);
        case Order::in_flight:
          return static_cast<double>(line.info.calls.size());
        case Order::failures:
          return line.rate.failures.value_or(-1);
        case Order::memory:
          return static_cast<double>(line.info.memory);
        case Order::name:
          break;
      }
      return 0;
    };
    std::sort(lines.begin(), lines.end(), [&](const Line& a, const Line& b) {
      const double first = weight(a), second = weight(b);
      return first != second ? first > second : a.info.name < b.info.name;
    });
  }

  static Table table_of(const std::vector<Line>& lines) {
    Table table({{"NAME", Colour::dim},
                 {"STATE", Colour::dim},
                 {"CALLS/S", Colour::dim, true},
                 {"IN FLIGHT", Colour::dim, true},
                 {"QUEUED", Colour::dim, true},
                 {"RUNNING", Colour::dim, true},
                 {"OLDEST", Colour::dim, true},
                 {"ERRORS/S", Colour::dim, true},
                 {"CLIENTS", Colour::dim, true},
                 {"MEMORY", Colour::dim, true},
                 {"SERVER", Colour::dim}});
    for (const Line& line : lines) table.add(row_of(line));
    return table;
  }

  static std::vector<Cell> row_of(const Line& line) {
    const ChannelInfo& info = line.info;
    const auto number = [&](unsigned value, Colour colour = Colour::none) {
      return Cell{is_alive(info) ? std::to_string(value) : "-", value != 0 ? colour : Colour::none, true};
    };
    const auto rate = [](const std::optional<double>& value, Colour colour = Colour::none) {
      return Cell{value ? rate_text(*value) : "-", value.value_or(0) > 0 ? colour : Colour::none, true};
    };
    const auto longest = is_alive(info) ? oldest(info) : std::nullopt;
    return {{printable(info.name), Colour::bold},
            state_cell(info),
            rate(line.rate.calls),
            {in_flight_text(info), info.is_slot_awaited ? Colour::yellow : Colour::none, true},
            number(queued(info)),
            number(running(info)),
            {longest ? duration_text(*longest) : "-", Colour::none, true},
            rate(line.rate.failures, Colour::red),
            number(info.clients),
            {info.memory == 0 ? "-" : bytes_text(info.memory), Colour::none, true},
            {server_text(info)}};
  }

  /// False: the terminal is gone.
  bool draw() const {
    const Extent extent = terminal_extent();
    double calls = 0;
    for (const Line& line : lines_) calls += line.rate.calls.value_or(0);
    std::string screen = "\x1b[H";
    std::size_t rows = 0;
    const auto put = [&](const std::string& text) {
      if (++rows < extent.rows) screen += text + "\x1b[K\n";
    };
    put(coloured(Colour::bold, "shared_channel top") + "  " + std::to_string(lines_.size()) +
        (lines_.size() == 1 ? " channel, " : " channels, ") + rate_text(calls) + " calls/s");
    put(problem_.empty() ? keys() : coloured(Colour::red, printable(problem_)));
    put("");
    for (const std::string& line : table_of(lines_).lines(extent.columns)) put(line);
    std::fputs((screen + "\x1b[J").c_str(), stdout);
    return flush_output();
  }

  [[nodiscard]] std::string keys() const {
    std::string text = "sort by";
    for (const Column& column : columns) {
      const std::string word = std::string(1, column.key) + ' ' + column.name;
      text += "  " + (column.order == order_ ? coloured(Colour::bold, word) : coloured(Colour::dim, word));
    }
    return text + "   q quit";
  }

  static void print_plain(const std::vector<Line>& lines) {
    table_of(lines).print();
    std::printf("\n");
  }

  static void print_json(const std::vector<Line>& lines) {
    Json all = Json::array();
    for (const Line& line : lines) {
      Json one = to_json(line.info);
      one["calls_per_second"] = line.rate.calls ? Json(*line.rate.calls) : Json(nullptr);
      one["failures_per_second"] = line.rate.failures ? Json(*line.rate.failures) : Json(nullptr);
      all.push_back(std::move(one));
    }
    print({{"channels", std::move(all)}});
  }

  const TopSettings& settings_;
  const Common& common_;
  Order order_;
  Rates rates_;
  std::vector<Line> lines_;
  std::string problem_;
};

}  // namespace

void add_top(CLI::App& app, Common& common, Action& action) {
  CLI::App& command = add_command(app, common, "top", "Show all channels again and again, with their rates",
                                  "  shared_channel top                   keys sort (c n f e m) and quit (q)\n"
                                  "  shared_channel top --sort memory --interval 5s\n"
                                  "  shared_channel top --count 3 >log    plain lines where there is no terminal");
  const auto settings = std::make_shared<TopSettings>();
  add_duration(command, "--interval,-i", settings->interval, "From one look to the next [1s]");
  const auto read_count = [settings](const std::string& text) {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, settings->count);
    return rest == end && error == std::errc();
  };
  add_value(command, "--count,-n", "COUNT", "Stop after so many looks", "number of looks", read_count);
  const auto read_order = [settings](const std::string& text) {
    const auto is_it = [&](const Column& column) { return text == column.name; };
    const auto* const column = std::find_if(std::begin(columns), std::end(columns), is_it);
    if (column != std::end(columns)) settings->order = column->order;
    return column != std::end(columns);
  };
  add_value(command, "--sort,-s", "ORDER", "What comes first: calls, name, flight, errors or memory [calls]",
            "order: calls, name, flight, errors or memory", read_order);
  command.callback(
      [&common, &action, settings] { action = [&common, settings] { return Top(*settings, common).run(); }; });
}

}  // namespace tool
