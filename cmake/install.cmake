include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shared_channel)

install(TARGETS shared_channel EXPORT shared_channel-targets FILE_SET HEADERS
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})  # for what reads the package and knows no file sets
install(EXPORT shared_channel-targets NAMESPACE shared_channel:: DESTINATION ${package_dir})

configure_package_config_file(cmake/shared_channel-config.cmake.in shared_channel-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(shared_channel-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  ${PROJECT_BINARY_DIR}/shared_channel-config.cmake
  ${PROJECT_BINARY_DIR}/shared_channel-config-version.cmake
  DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
