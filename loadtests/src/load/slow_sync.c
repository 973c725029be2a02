/* Delays each sync of a file by 2 ms, as a slow disk does. Loaded before the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_2_ms(void) {
    struct timespec left = {0, 2000000};
    while (nanosleep(&left, &left) != 0) {}
}
int fdatasync(int file) {
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
    wait_2_ms();
    return real(file);
}
int fsync(int file) {
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    wait_2_ms();
    return real(file);
}
