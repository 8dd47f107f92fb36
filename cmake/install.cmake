# The headers, the CMake package, the pkg-config file and the licence. Nothing of it belongs to a processor or a system: it lies
# in share/, and all paths in it are relative to the place where it is found.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/shared_channel)
set(pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)

install(TARGETS shared_channel EXPORT shared_channel-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/shared_channel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp)
install(EXPORT shared_channel-targets NAMESPACE shared_channel:: DESTINATION ${package_dir})

configure_package_config_file(cmake/shared_channel-config.cmake.in shared_channel-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(shared_channel-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  ${PROJECT_BINARY_DIR}/shared_channel-config.cmake
  ${PROJECT_BINARY_DIR}/shared_channel-config-version.cmake
  DESTINATION ${package_dir})

file(RELATIVE_PATH prefix_from_pkgconfig /${pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig "${prefix_from_pkgconfig}")
set(pkgconfig_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(pkgconfig_includedir ${CMAKE_INSTALL_INCLUDEDIR})
endif()
if(WIN32)
  set(pkgconfig_libs -ladvapi32)
else()
  set(pkgconfig_libs -lrt)
endif()
configure_file(cmake/shared_channel.pc.in shared_channel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/shared_channel.pc DESTINATION ${pkgconfig_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(top_level)
  include(cmake/package.cmake)
  add_custom_target(uninstall
    COMMAND ${CMAKE_COMMAND} -D manifest=${PROJECT_BINARY_DIR}/install_manifest.txt
      -P ${CMAKE_CURRENT_LIST_DIR}/uninstall.cmake)
endif()
