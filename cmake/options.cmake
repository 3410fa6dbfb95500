option(SPILLWAY_TESTS "Build the tests" ON)
option(SPILLWAY_BENCH "Build the benchmark's load generator" ON)
option(SPILLWAY_FUZZ "Build libFuzzer targets (needs clang)" OFF)
option(SPILLWAY_UNITY "Compile several files at a time: less time from nothing, more after a change" OFF)
set(SPILLWAY_UNITY_BATCH 8 CACHE STRING "How many files SPILLWAY_UNITY compiles at a time")
option(SPILLWAY_WERROR "Warnings are errors" ON)
set(SPILLWAY_SANITIZE "" CACHE STRING "Sanitizers for everything, as -fsanitize takes them: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  # Paths count from the checkout's root, so that a second checkout finds what the first has compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

add_library(spillway_flags INTERFACE)
target_compile_options(spillway_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(SPILLWAY_UNITY)
  # What an included file has in an unnamed namespace, GCC takes for that of a header; and a name that a file has for
  # itself is not shadowed by a local one of the next file.
  target_compile_options(spillway_flags INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local> $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
else()
  target_compile_options(spillway_flags INTERFACE -Wshadow)
endif()
if(SPILLWAY_WERROR)
  target_compile_options(spillway_flags INTERFACE -Werror)
endif()
if(SPILLWAY_SANITIZE)
  target_compile_options(spillway_flags INTERFACE -fsanitize=${SPILLWAY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(spillway_flags INTERFACE -fsanitize=${SPILLWAY_SANITIZE})
  # GCC 12's flow analysis reports false positives once the sanitizers have instrumented the code.
  target_compile_options(spillway_flags INTERFACE -Wno-error=maybe-uninitialized -Wno-maybe-uninitialized -Wno-tsan)
endif()
target_compile_definitions(spillway_flags INTERFACE SPILLWAY_VERSION="${PROJECT_VERSION}")
# yaml-cpp, spdlog and friends hand out headers that need not pass our warnings.
target_include_directories(spillway_flags INTERFACE ${CMAKE_SOURCE_DIR}/include)
