# `cpack` in the build directory makes shared_channel-VERSION.tar.gz and .zip, and for Debian
# libshared-channel-dev_VERSION-1_all.deb: what `cmake --install` installs, for any processor. What is built for one
# processor is a Debian package of its own: the compiled form (libshared-channel-compiled-dev), the program
# shared_channel (shared-channel), the bridge (shared-channel-bridge) and the library for C (libshared-channel-c-dev).
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
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(suggested "g++ (>= 4:12), cmake (>= 3.16), pkg-config")

set(components "")
function(add_component component target package description)
  if(NOT TARGET ${target})
    return()
  endif()
  string(TOUPPER ${component} upper)
  set(components ${components} ${component} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION ${description} PARENT_SCOPE)
  find_program(SHARED_CHANNEL_SHLIBDEPS dpkg-shlibdeps)
  if(SHARED_CHANNEL_SHLIBDEPS)
    set(CPACK_DEBIAN_${upper}_PACKAGE_SHLIBDEPS ON PARENT_SCOPE)
  endif()
endfunction()
add_component(compiled shared_channel_compiled libshared-channel-compiled-dev
"What all channels of a program share, compiled once: a static library that
spares programs of many files compile time. The headers and the speed are the
same.")
add_component(tool shared_channel_tool shared-channel
"The program shared_channel lists running services with their calls in flight,
asks any of them without a line of code, and says what the system lacks.")
add_component(bridge shared_channel_bridge shared-channel-bridge
"The program shared_channel_bridge carries the channels of SharedChannel over
NATS, so that their servers may run on other machines.")
add_component(c shared_channel_c libshared-channel-c-dev
"The library for C, and for whatever can call C, of SharedChannel.")

# The loader, and whoever makes packages that use this one's library, are told of it.
if(TARGET shared_channel_c)
  get_target_property(soversion shared_channel_c SOVERSION)
  file(WRITE ${PROJECT_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
  file(WRITE ${PROJECT_BINARY_DIR}/debian/shlibs
    "libshared_channel_c ${soversion} libshared-channel-c-dev (>= ${PROJECT_VERSION})\n")
  set(CPACK_DEBIAN_C_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/debian/triggers ${PROJECT_BINARY_DIR}/debian/shlibs)
endif()

if(components)
  set(CPACK_PACKAGE_FILE_NAME shared_channel-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_COMPONENTS_ALL Unspecified ${components})
  set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME libshared-channel-dev)
  set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SUGGESTS ${suggested})
  set(CPACK_DEBIAN_UNSPECIFIED_DESCRIPTION ${CPACK_PACKAGE_DESCRIPTION})
  set(CPACK_DEBIAN_COMPILED_PACKAGE_SHLIBDEPS OFF)  # a static library needs none; it needs its headers
  set(CPACK_DEBIAN_COMPILED_PACKAGE_DEPENDS
    "libshared-channel-dev (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
  set(CPACK_DEBIAN_TOOL_PACKAGE_SECTION utils)
  set(CPACK_DEBIAN_BRIDGE_PACKAGE_SECTION net)
  set(CPACK_STRIP_FILES ON)
else()
  set(CPACK_PACKAGE_FILE_NAME shared_channel-${PROJECT_VERSION})
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS ${suggested})
endif()
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_SHARED_CHANNEL_DOC ${CMAKE_INSTALL_DOCDIR})
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_deb.cmake)
include(CPack)
