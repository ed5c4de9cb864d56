/*
 * Time through a table, so that tests can set it. Threads: safe. Cost: a vDSO call.
 */
#include <time.h>

#include "sys/file.h"

static int64_t kernel_wall_ms(void *user)
{
    (void)user;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t kernel_monotonic_ns(void *user)
{
    (void)user;
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void kernel_sleep_ms(void *user, uint32_t ms)
{
    (void)user;
    struct timespec step = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&step, NULL); /* a signal may end it early: whoever waits looks again */
}

const ql__clock_ops ql__clock_kernel = {kernel_wall_ms, kernel_monotonic_ns, kernel_sleep_ms, NULL};

int64_t ql__wall_ms(const ql__sys *sys)
{
    return sys->clock->wall_ms_fn(sys->clock->user);
}

uint64_t ql__monotonic_ns(const ql__sys *sys)
{
    return sys->clock->monotonic_ns_fn(sys->clock->user);
}

#define SLEEP_STEP_MS 50

bool ql__sleep_ms(const ql__sys *sys, uint32_t ms, int (*cancelled_fn)(void *user), void *user)
{
    for (uint32_t left = ms; left > 0;) {
        if (cancelled_fn && cancelled_fn(user) != 0) return false;
        uint32_t step = left < SLEEP_STEP_MS ? left : SLEEP_STEP_MS;
        sys->clock->sleep_ms_fn(sys->clock->user, step);
        left -= step;
    }
    return true;
}
