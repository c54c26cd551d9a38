/* How many heaps ("arenas") the C library's allocator keeps. glibc makes up to eight for each core, as threads come, and what one
 * thread has given back no other takes: a thousand waiting mailboxes that need 36 MiB had 72 MiB resident. One for each core
 * costs no throughput and keeps them together. Linked into the program alone and run before `main`. MALLOC_ARENA_MAX or GLIBC_TUNABLES
 * in the environment win. Other C libraries have nothing to set. */

#include <limits.h>

#ifdef __GLIBC__
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void limit_arenas(void) {
    if (getenv("MALLOC_ARENA_MAX") || getenv("GLIBC_TUNABLES")) {
        return;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    mallopt(M_ARENA_MAX, cores < 1 ? 1 : (int)cores);
}
#endif
