# `cpack` in the build directory makes shared_channel-VERSION.tar.gz and .zip, and for Debian libshared-channel-dev_VERSION-1_all.deb:
# what `cmake --install` installs, for any processor. What is built for one processor is a Debian package of its own: the program
# shared_channel (shared-channel), and the library for C (libshared-channel-c-dev).
set(SHARED_CHANNEL_PACKAGE_CONTACT "The SharedChannel authors <nobody@invalid>" CACHE STRING
  "Who answers for the packages: NAME <ADDRESS>")
set(CPACK_PACKAGE_NAME shared_channel)
set(CPACK_PACKAGE_VENDOR "The SharedChannel authors")
set(CPACK_PACKAGE_CONTACT ${SHARED_CHANNEL_PACKAGE_CONTACT})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "typed calls between processes through shared memory")
set(CPACK_PACKAGE_DESCRIPTION
"SharedChannel is a header-only C++20 library. A program calls a function in
another process of the same machine, with typed requests and replies that
travel through shared memory, without a daemon or a code generator. Every
call ends in its own answer or, by its deadline, in an error that says
whether it can have run.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_FILE_NAME shared_channel-${PROJECT_VERSION})
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_GENERATOR TGZ ZIP)
if(NOT WIN32)
  find_program(SHARED_CHANNEL_DPKG dpkg)
  if(SHARED_CHANNEL_DPKG)
    list(APPEND CPACK_GENERATOR DEB)
  endif()
endif()

set(CPACK_DEBIAN_PACKAGE_NAME libshared-channel-dev)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(suggested "g++ (>= 4:12), cmake (>= 3.16), pkg-config")
if(SHARED_CHANNEL_BUILD_TOOLS OR SHARED_CHANNEL_BUILD_BINDINGS)
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_COMPONENTS_ALL Unspecified)
  set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME libshared-channel-dev)
  set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SUGGESTS ${suggested})
  set(CPACK_DEBIAN_UNSPECIFIED_DESCRIPTION ${CPACK_PACKAGE_DESCRIPTION})
  set(CPACK_STRIP_FILES ON)
  find_program(SHARED_CHANNEL_SHLIBDEPS dpkg-shlibdeps)
else()
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS ${suggested})
endif()
if(SHARED_CHANNEL_BUILD_TOOLS)
  list(APPEND CPACK_COMPONENTS_ALL tool)
  set(CPACK_DEBIAN_TOOL_PACKAGE_NAME shared-channel)
  set(CPACK_DEBIAN_TOOL_PACKAGE_SECTION utils)
  set(CPACK_DEBIAN_TOOL_DESCRIPTION
"The program shared_channel lists running services with their calls in flight,
asks any of them without a line of code, and says what the system lacks.")
  if(SHARED_CHANNEL_SHLIBDEPS)
    set(CPACK_DEBIAN_TOOL_PACKAGE_SHLIBDEPS ON)
  endif()
endif()
if(SHARED_CHANNEL_BUILD_BINDINGS)
  list(APPEND CPACK_COMPONENTS_ALL c)
  set(CPACK_DEBIAN_C_PACKAGE_NAME libshared-channel-c-dev)
  set(CPACK_DEBIAN_C_DESCRIPTION
"The library for C, and for whatever can call C, of SharedChannel.")
  if(SHARED_CHANNEL_SHLIBDEPS)
    set(CPACK_DEBIAN_C_PACKAGE_SHLIBDEPS ON)
  endif()
endif()
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_SHARED_CHANNEL_DOC ${CMAKE_INSTALL_DOCDIR})
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_deb.cmake)
include(CPack)
