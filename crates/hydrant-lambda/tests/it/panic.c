/* The clock of the day fails once for each time that the file of TEST_PANIC is made, and the one that only runs forward
 * for the file of TEST_PANIC_OUTSIDE, which Rust's library answers with a panic. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    const char *file = getenv(clock == CLOCK_REALTIME ? "TEST_PANIC" : "TEST_PANIC_OUTSIDE");
    if (file && unlink(file) == 0) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, time);
}
