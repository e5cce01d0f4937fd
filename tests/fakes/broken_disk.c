/* Loaded into a process with LD_PRELOAD: while the file named by DISK_FULL is there, writes to the journal fail as on a
   full disk; while that of DISK_BROKEN is, flushing it fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int strikes(const char *variable, int descriptor)
{
    const char *trigger = getenv(variable);
    char link[64], target[4096];
    ssize_t length;

    if (trigger == NULL || access(trigger, F_OK) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, target, sizeof target - 1);
    if (length < 0)
        return 0;
    target[length] = '\0';
    return strstr(target, "/journal.db") != NULL;
}

#define FAIL_IF(variable, error) \
    if (strikes(variable, descriptor)) { errno = error; return -1; }

ssize_t write(int descriptor, const void *bytes, size_t count)
{
    FAIL_IF("DISK_FULL", ENOSPC)
    return ((ssize_t (*)(int, const void *, size_t)) dlsym(RTLD_NEXT, "write"))(descriptor, bytes, count);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset)
{
    FAIL_IF("DISK_FULL", ENOSPC)
    return ((ssize_t (*)(int, const void *, size_t, off64_t)) dlsym(RTLD_NEXT, "pwrite64"))(
        descriptor, bytes, count, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset)
{
    FAIL_IF("DISK_FULL", ENOSPC)
    return ((ssize_t (*)(int, const void *, size_t, off_t)) dlsym(RTLD_NEXT, "pwrite"))(
        descriptor, bytes, count, offset);
}

int fsync(int descriptor)
{
    FAIL_IF("DISK_BROKEN", EIO)
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(descriptor);
}

int fdatasync(int descriptor)
{
    FAIL_IF("DISK_BROKEN", EIO)
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
}
