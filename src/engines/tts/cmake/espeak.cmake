# espeak-ng clones "sonic" from git unless it believes it is there. We need no speed-up beyond
# 450 words a minute, no audio device and no MBROLA voices, so all three stay out.
set(SONIC_LIB "unused" CACHE STRING "")
set(SONIC_INC "/usr/include" CACHE STRING "")
set(USE_LIBSONIC OFF CACHE BOOL "")
set(USE_LIBPCAUDIO OFF CACHE BOOL "")
set(USE_MBROLA OFF CACHE BOOL "")
