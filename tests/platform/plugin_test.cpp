// A plugin that is loaded and unloaded in a program that knows nothing of the library.
#ifdef __linux__
#include "support/catch.hpp"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "support/names.hpp"
#include "support/resources.hpp"

namespace plugin_test {

using namespace test_support;

namespace {

template <class Function>
Function* function_of(void* plugin, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(plugin, name));
}

}  // namespace

TEST_CASE("plugin: a library with a server and a client is unloaded, and nothing of theirs runs on") {
  bool ends_by_itself = false;
  SECTION("which ended before") {}
  SECTION("which end with it") { ends_by_itself = true; }
  for (int time = 0; time < 5; ++time) {
    const auto name = unique_name("plugin");
    void* const plugin = ::dlopen(PLUGIN_LIBRARY, RTLD_NOW);
    REQUIRE(plugin != nullptr);
    REQUIRE(function_of<int(const char*)>(plugin, "begin")(name.c_str()) == 0);
    if (!ends_by_itself) function_of<void()>(plugin, "end")();
    CHECK(::dlclose(plugin) == 0);
    CHECK(::dlopen(PLUGIN_LIBRARY, RTLD_NOW | RTLD_NOLOAD) == nullptr);
    const pid_t child = ::fork();  // what runs before and after it must not be the plugin's any more
    if (child == 0) ::_exit(0);
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(shm_entries("shared_channel." + name).empty());
  }
}

}  // namespace plugin_test
#endif
