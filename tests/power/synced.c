/* Keeps a copy of each file of the state as it was when it was synced last: what a loss of power leaves.
 * Loaded in front of the C library (LD_PRELOAD); the folder of the copies is in ENTRAIN_SYNCED. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keep(int fd) {
    const char *folder = getenv("ENTRAIN_SYNCED");
    char link[64], path[4096], copy[8192], half[8256], buffer[65536];
    if (folder == NULL) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    if (name == NULL || strstr(name, "entrain.db") == NULL) return;
    snprintf(copy, sizeof copy, "%s%s", folder, name);
    snprintf(half, sizeof half, "%s.half", copy);
    int to = open(half, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (to < 0) return;
    off_t at = 0;
    ssize_t got;
    while ((got = pread(fd, buffer, sizeof buffer, at)) > 0) {
        if (write(to, buffer, (size_t)got) != got) break;
        at += got;
    }
    close(to);
    /* So that a process that is killed leaves the whole of it or nothing. */
    if (got == 0) rename(half, copy);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int done = real(fd);
    if (done == 0) keep(fd);
    return done;
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int done = real(fd);
    if (done == 0) keep(fd);
    return done;
}
