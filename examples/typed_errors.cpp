// A service that says what went wrong in types of its own: its reply is a variant of the answer and of each error that
// a caller can do something about. What the channel has to say (no server, too late) stays in the Error of the Result.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <variant>

namespace {

struct Withdrawal {
  std::string account;
  std::int64_t cents;
};
struct Paid {
  std::int64_t balance;
};
struct NoSuchAccount {
  std::string account;
};
struct Overdrawn {
  std::int64_t missing;
};
using Outcome = std::variant<Paid, NoSuchAccount, Overdrawn>;
using Bank = shared_channel::SharedChannel<Withdrawal, Outcome>;

struct Till {
  std::map<std::string, std::int64_t> balances;

  Outcome operator()(const Withdrawal& withdrawal) {
    const auto found = balances.find(withdrawal.account);
    if (found == balances.end()) return NoSuchAccount{withdrawal.account};
    if (found->second < withdrawal.cents) return Overdrawn{withdrawal.cents - found->second};
    return Paid{found->second -= withdrawal.cents};
  }
};

// One overload for each thing that can have happened: a forgotten one does not compile.
struct Teller {
  void operator()(const Paid& paid) const { std::printf("paid, %lld left\n", static_cast<long long>(paid.balance)); }
  void operator()(const NoSuchAccount& error) const {
    std::printf("nobody here is called %s\n", error.account.c_str());
  }
  void operator()(const Overdrawn& error) const { std::printf("%lld short\n", static_cast<long long>(error.missing)); }
};

void withdraw(Bank::Client& client, const Withdrawal& withdrawal) {
  const auto outcome = client.call(withdrawal, std::chrono::seconds(10));
  if (outcome)
    std::visit(Teller{}, *outcome);
  else
    std::printf("%s\n", outcome.error().message().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "typed_errors";
  Till till{{{"ada", 500}}};
  Bank::Client client(name);
  {
    Bank::Server server(name);
    server.start(till).value();
    withdraw(client, {"ada", 120});
    withdraw(client, {"ada", 400});
    withdraw(client, {"bob", 1});
  }
  withdraw(client, {"ada", 1});
}
