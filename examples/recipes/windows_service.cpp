// A Windows service, and its client: `windows_service ask`. Started from a console it serves there.
#include <shared_channel/shared_channel.hpp>

#include <windows.h>

#include <cstdio>
#include <optional>
#include <string_view>

struct Numbers {
  int a, b;
};
using Adder = shared_channel::SharedChannel<Numbers, int>;

constexpr const char* channel = "adder.service";
std::optional<Adder::Server> server;
SERVICE_STATUS_HANDLE handle;

void report(DWORD state, DWORD error = NO_ERROR) {
  SERVICE_STATUS status{};
  status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
  status.dwCurrentState = state;
  status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0;
  status.dwWin32ExitCode = error;
  if (handle != nullptr) ::SetServiceStatus(handle, &status);
}

DWORD WINAPI on_control(DWORD control, DWORD, LPVOID, LPVOID) {
  if (control == SERVICE_CONTROL_STOP || control == SERVICE_CONTROL_SHUTDOWN) {
    report(SERVICE_STOP_PENDING);
    server->stop();
  }
  return NO_ERROR;
}

DWORD serve() {
  // A service runs in session 0: its users see it in Global\. Administrators, and who sits at the machine, may call it.
  auto made = Adder::Server::create(channel, {.access = shared_channel::Access::sddl("D:P(A;;GA;;;BA)(A;;GA;;;IU)"),
                                              .scope = shared_channel::Scope::machine});
  if (!made) {
    std::printf("%s\n", made.error().message().c_str());
    return ERROR_SERVICE_SPECIFIC_ERROR;
  }
  server = *std::move(made);
  report(SERVICE_RUNNING);
  const auto served = server->serve([](const Numbers& numbers) { return numbers.a + numbers.b; });
  return served ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR;
}

void WINAPI service_main(DWORD, LPWSTR*) {
  handle = ::RegisterServiceCtrlHandlerExW(L"adder", on_control, nullptr);
  report(SERVICE_START_PENDING);
  report(SERVICE_STOPPED, serve());
}

int ask() {
  Adder::Client client(channel, {.scope = shared_channel::Scope::machine});
  const auto sum = client.call({2, 3});
  if (!sum) return std::printf("%s\n", sum.error().message().c_str()), 1;
  std::printf("2 + 3 = %d\n", *sum);
  return 0;
}

int main(int count, char** arguments) {
  if (count > 1 && std::string_view(arguments[1]) == "ask") return ask();
  wchar_t name[] = L"adder";
  SERVICE_TABLE_ENTRYW table[] = {{name, service_main}, {nullptr, nullptr}};
  if (::StartServiceCtrlDispatcherW(table) != 0) return 0;
  return ::GetLastError() == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT ? static_cast<int>(serve()) : 1;
}
