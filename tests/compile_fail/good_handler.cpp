// COMPILES
#include <shared_channel/shared_channel.hpp>

#include <array>
#include <functional>

using Numbers = std::array<int, 4>;

struct Matrix {
  operator float*() { return values; }
  float values[16];
};

struct Adder {
  void operator()(const Numbers& numbers, Numbers& sums) { sums[0] = numbers[0] + ++calls; }
  int calls = 0;
};
void add(const Numbers& numbers, Numbers& sums) { sums[0] = numbers[0]; }

struct Ping {};
struct Pong {};

void use(shared_channel::SharedChannel<Ping, Pong>::Server& empty,
         shared_channel::SharedChannel<Ping, Pong>::Client& emptys,
         shared_channel::SharedChannel<int, Matrix>::Server& matrices,
         shared_channel::SharedChannel<Numbers>::Server& server,
         shared_channel::SharedChannel<Numbers>::Client& client) {
  Adder adder;
  (void)server.serve(adder);
  (void)server.serve(std::ref(adder));
  (void)server.serve(add);
  (void)server.serve(&add);
  (void)server.serve(std::function<void(const Numbers&, Numbers&)>(add));
  (void)server.serve([](const Numbers&, std::span<int> sums) { sums[0] = 1; });
  (void)server.serve([](const Numbers&, std::span<int> sums, const shared_channel::CallContext&) { sums[0] = 1; });
  (void)server.serve([](const auto&, auto& sums) { sums[0] = 1; });
  (void)server.serve([](auto&&, auto&& sums) { sums[0] = 1; });
  (void)server.serve([](Numbers numbers) { return numbers; });
  (void)server.serve([](Numbers& numbers) { numbers[0] = 1; });
  (void)matrices.serve([](const int&, float* values) { values[0] = 1; });
  (void)empty.serve([](const Ping&, const Pong&) {});
  (void)emptys.call_in_place([](Ping) {}, [](const Pong&) {});
  (void)client.call_in_place([](std::span<int> numbers) { numbers[0] = 1; }, [](std::span<const int>) {});
  (void)client.call_in_place([](auto&& numbers) { numbers[0] = 1; }, [](const auto&) {});
}
