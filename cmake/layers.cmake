# What nearly every file reads from the standard library: read once a layer, it saves a fifth of the compiler's time. Files
# include what they use all the same; the fuzz preset compiles without, so that what is forgotten shows.
set(spillway_precompiled <algorithm> <array> <atomic> <chrono> <functional> <map> <memory> <optional> <span> <string>
    <string_view> <unordered_map> <utility> <variant> <vector>)

# spillway_layer(name LINK a b PRIVATE_LINK c PRECOMPILE <header>): the static library of src/<name>. Other layers are
# named without prefix. PRECOMPILE is for layers whose files nearly all read one large header.
function(spillway_layer name)
  cmake_parse_arguments(A "" "" "LINK;PRIVATE_LINK;PRECOMPILE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  if(sources)
    add_library(spillway_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(spillway_${name} PRIVATE ${A_PRIVATE_LINK})
    list(LENGTH sources how_many)
    if(how_many GREATER 6)
      target_precompile_headers(spillway_${name} PRIVATE ${spillway_precompiled} ${A_PRECOMPILE})
    endif()
  else()
    add_library(spillway_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(spillway_${name} ${scope} spillway_flags)
  foreach(dep IN LISTS A_LINK)
    if(TARGET spillway_${dep})
      target_link_libraries(spillway_${name} ${scope} spillway_${dep})
    else()
      target_link_libraries(spillway_${name} ${scope} ${dep})
    endif()
  endforeach()
endfunction()

# spillway_program(name main.cpp layer): skipped while its main file does not exist yet.
function(spillway_program name source layer)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${source})
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE spillway_${layer})
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()
